//! An S3 server that takes every write and never looks at `If-None-Match` or `If-Match`, as some
//! clones do. Just enough of S3 for a probe to find that out.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use foresail_tests::Cluster;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;

#[derive(Default)]
struct State {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    requests: AtomicUsize,
}

/// The running server; it ends when this is dropped.
pub struct CarelessStore {
    address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

impl CarelessStore {
    /// Listens on the address of this machine that the node's pods can reach.
    pub async fn start(cluster: &Cluster) -> Result<Self> {
        let listener = TcpListener::bind((own_address(cluster).await?, 0)).await?;
        let (address, state) = (listener.local_addr()?, Arc::new(State::default()));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Ok(Self {
            address,
            state,
            task,
        })
    }

    /// URL of it.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Requests so far.
    pub fn requests(&self) -> usize {
        self.state.requests.load(Ordering::Relaxed)
    }
}

impl Drop for CarelessStore {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The address packets to the node leave from.
async fn own_address(cluster: &Cluster) -> Result<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").await?;
    socket.connect(&cluster.settings.kafka).await?;
    Ok(socket.local_addr()?.ip())
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let mut stream = BufReader::new(stream);
    while let Ok(Some((method, path, body))) = request(&mut stream).await {
        state.requests.fetch_add(1, Ordering::Relaxed);
        let answer = answer(&state, &method, &path, body);
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

async fn request(stream: &mut BufReader<TcpStream>) -> Result<Option<(String, String, Vec<u8>)>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let method = words.next().context("no method")?.to_owned();
    let path = words.next().context("no path")?.to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await?;
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
        if header.starts_with("expect:") {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some((method, path, body)))
}

fn answer(state: &State, method: &str, path: &str, body: Vec<u8>) -> Vec<u8> {
    let key = path.split('?').next().unwrap_or(path).to_owned();
    let mut objects = state.objects.lock().unwrap_or_else(PoisonError::into_inner);
    match method {
        "PUT" => {
            objects.insert(key, body);
            reply("200 OK", b"", true)
        }
        "DELETE" => {
            objects.remove(&key);
            reply("204 No Content", b"", true)
        }
        _ => match objects.get(&key) {
            Some(found) => reply("200 OK", found, method != "HEAD"),
            None => reply(
                "404 Not Found",
                b"<Error><Code>NoSuchKey</Code></Error>",
                method != "HEAD",
            ),
        },
    }
}

fn reply(status: &str, body: &[u8], with_body: bool) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: \"same\"\r\nContent-Type: application/xml\r\n\r\n",
        body.len()
    );
    let mut answer = head.into_bytes();
    if with_body {
        answer.extend_from_slice(body);
    }
    answer
}
