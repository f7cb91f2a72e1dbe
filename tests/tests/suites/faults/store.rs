//! An S3 server that takes every write and never looks at `If-None-Match` or `If-Match`, as some
//! clones do. Just enough of S3 for a probe to find that out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use foresail_tests::Cluster;
use foresail_tests::web::{Answer, Request, Server};

#[derive(Default)]
struct State {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    requests: AtomicUsize,
}

/// The running server; it ends when this is dropped.
pub struct CarelessStore {
    server: Server,
    state: Arc<State>,
}

impl CarelessStore {
    /// Listens on the address of this machine that the node's pods can reach.
    pub async fn start(cluster: &Cluster) -> Result<Self> {
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let server = Server::start(cluster, move |request| answer(&shared, request)).await?;
        Ok(Self { server, state })
    }

    /// URL of it.
    pub fn endpoint(&self) -> String {
        self.server.url()
    }

    /// Requests so far.
    pub fn requests(&self) -> usize {
        self.state.requests.load(Ordering::Relaxed)
    }
}

fn answer(state: &State, request: Request) -> Answer {
    state.requests.fetch_add(1, Ordering::Relaxed);
    let key = request.path.split('?').next().unwrap_or_default();
    let mut objects = state.objects.lock().unwrap_or_else(PoisonError::into_inner);
    let mut answer = match request.method.as_str() {
        "PUT" => {
            objects.insert(key.to_owned(), request.body);
            Answer::new("200 OK", "")
        }
        "DELETE" => {
            objects.remove(key);
            Answer::new("204 No Content", "")
        }
        _ => match objects.get(key) {
            Some(found) => Answer::new("200 OK", found.clone()),
            None => Answer::new("404 Not Found", "<Error><Code>NoSuchKey</Code></Error>"),
        },
    };
    let headers = ["ETag: \"same\"", "Content-Type: application/xml"];
    answer.headers = headers.map(str::to_owned).to_vec();
    answer
}
