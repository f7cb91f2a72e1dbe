//! Names whose addresses change between two answers, or that have open and closed ones. The second loopback address is allowed
//! here; on the first one, at the same port, listens what must not be connected to.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use foresail_runtime_base::address::AddressRule;
use foresail_runtime_base::{RoleError, Secrets};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::resolver::Names;
use crate::{Client, Exchange, Manner, Unanswered};

const OPEN: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const CLOSED: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const NAME: &str = "prices.example.com";

/// A name server that answers what comes next, and the last of it for ever.
#[derive(Clone)]
struct Told {
    answers: Arc<Mutex<VecDeque<Vec<IpAddr>>>>,
    asked: Arc<AtomicUsize>,
}

impl Told {
    fn new(answers: &[&[IpAddr]]) -> Self {
        let answers = answers.iter().map(|answer| answer.to_vec()).collect();
        Self {
            answers: Arc::new(Mutex::new(answers)),
            asked: Arc::default(),
        }
    }
}

impl Names for Told {
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        assert_eq!(host, NAME);
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut answers = self.answers.lock().unwrap();
        let answer = match answers.len() {
            1 => answers.front().cloned(),
            _ => answers.pop_front(),
        };
        answer.ok_or_else(|| io::Error::other("nothing more"))
    }
}

/// Where something may be read, and where nothing may, at one port.
struct Places {
    port: u16,
    /// Connections to the second one.
    canary: Arc<AtomicUsize>,
    _open: Option<Listening>,
    _closed: Listening,
}

struct Listening(tokio::task::JoinHandle<()>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn serve(listener: TcpListener, answer: String) -> (Listening, Arc<AtomicUsize>) {
    let connected = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connected);
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let mut head = [0; 4096];
            if stream.read(&mut head).await.is_ok() {
                stream.write_all(answer.as_bytes()).await.ok();
            }
        }
    });
    (Listening(task), connected)
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
}

impl Places {
    /// The open place says what `answer` makes of the port, or nobody listens there.
    async fn new(said: Option<fn(u16) -> String>) -> Self {
        foresail_runtime_base::init("test");
        let closed = TcpListener::bind((CLOSED, 0)).await.unwrap();
        let port = closed.local_addr().unwrap().port();
        let open = match said {
            Some(said) => {
                let listener = TcpListener::bind((OPEN, port)).await.unwrap();
                Some(serve(listener, said(port)).0)
            }
            None => None,
        };
        let (closed, canary) = serve(closed, answer("200 OK", "", "secret"));
        Self {
            port,
            canary,
            _open: open,
            _closed: closed,
        }
    }

    fn url(&self) -> String {
        format!("http://{NAME}:{}/bars.csv", self.port)
    }

    /// The file, read as the source of a Pipeline.
    async fn source(&self, names: &Told) -> Result<Vec<u8>, RoleError> {
        let secrets = Secrets::at("/nowhere");
        let client = Client::resolving(rule(), &secrets, names.clone())?;
        client.head(&self.url(), 100).await
    }

    /// The answer, as that of a provider.
    async fn provider(&self, names: &Told) -> Result<(u16, Vec<u8>), Unanswered> {
        let manner = Manner {
            rule: rule(),
            user_agent: "test/1".into(),
            timeout: Duration::from_secs(10),
        };
        let exchange = Exchange::resolving(manner, names.clone()).unwrap();
        let reply = exchange.get(&self.url(), 100).await?;
        Ok((reply.status, reply.body))
    }

    fn canary(&self) -> usize {
        self.canary.load(Ordering::Relaxed)
    }
}

fn rule() -> AddressRule {
    AddressRule::new(&["127.0.0.2/32".into()]).unwrap()
}

#[tokio::test]
async fn the_address_that_was_judged_is_the_one_connected_to() {
    let places = Places::new(Some(|_| answer("200 OK", "", "a,b"))).await;
    // Whatever a second question would be answered: there is none.
    for _ in 0..2 {
        let names = Told::new(&[&[OPEN], &[CLOSED]]);
        assert_eq!(places.source(&names).await.unwrap(), b"a,b");
        assert_eq!(names.asked.load(Ordering::Relaxed), 1);
        let names = Told::new(&[&[OPEN], &[CLOSED]]);
        assert_eq!(places.provider(&names).await.unwrap().1, b"a,b");
        assert_eq!(names.asked.load(Ordering::Relaxed), 1);
    }
    // The other way round, the first answer counts as well.
    let names = Told::new(&[&[CLOSED], &[OPEN]]);
    let refused = places.source(&names).await.unwrap_err();
    assert_eq!(refused.reason, "AddressNotAllowed");
    let names = Told::new(&[&[CLOSED], &[OPEN]]);
    let refused = places.provider(&names).await.unwrap_err();
    assert!(matches!(refused, Unanswered::NotAllowed(_)), "{refused}");
    assert_eq!(places.canary(), 0);
}

#[tokio::test]
async fn a_redirect_to_the_same_name_is_resolved_and_judged_anew() {
    let to_itself = |port| {
        let location = format!("Location: http://{NAME}:{port}/again.csv\r\n");
        answer("302 Found", &location, "")
    };
    let places = Places::new(Some(to_itself)).await;
    for changed in [
        CLOSED,
        "::1".parse().unwrap(),
        "::ffff:127.0.0.1".parse().unwrap(),
        "169.254.169.254".parse().unwrap(),
    ] {
        let names = Told::new(&[&[OPEN], &[changed]]);
        let refused = places.source(&names).await.unwrap_err();
        assert_eq!(refused.reason, "AddressNotAllowed", "{changed}");
        assert!(names.asked.load(Ordering::Relaxed) == 2, "{changed}");
        // The client of providers gives the redirect back as it is.
        let names = Told::new(&[&[OPEN], &[changed]]);
        let (status, _) = places.provider(&names).await.unwrap();
        assert_eq!(status, 302);
    }
    assert_eq!(places.canary(), 0);
}

#[tokio::test]
async fn of_open_and_closed_addresses_the_open_ones_are_tried() {
    let places = Places::new(Some(|_| answer("200 OK", "", "a,b"))).await;
    let six: IpAddr = "::1".parse().unwrap();
    for mixed in [
        [CLOSED, OPEN, six],
        [OPEN, six, CLOSED],
        [six, CLOSED, OPEN],
    ] {
        let names = Told::new(&[&mixed]);
        assert_eq!(places.source(&names).await.unwrap(), b"a,b");
        assert_eq!(places.provider(&names).await.unwrap().1, b"a,b");
    }
    // Nobody listens at the open one: the closed one is no way out.
    let places = Places::new(None).await;
    for mixed in [[OPEN, CLOSED], [CLOSED, OPEN]] {
        let names = Told::new(&[&mixed]);
        let unreachable = places.source(&names).await.unwrap_err();
        assert_eq!(unreachable.reason, "SourceUnreachable");
        let unreachable = places.provider(&names).await.unwrap_err();
        assert_eq!(unreachable, Unanswered::NoConnection);
    }
    assert_eq!(places.canary(), 0);
}

#[tokio::test]
async fn the_canary_is_heard_when_it_is_allowed() {
    let places = Places::new(None).await;
    let both = AddressRule::new(&["127.0.0.0/8".into()]).unwrap();
    let names = Told::new(&[&[OPEN, CLOSED]]);
    let client = Client::resolving(both, &Secrets::at("/nowhere"), names).unwrap();
    assert_eq!(client.head(&places.url(), 100).await.unwrap(), b"secret");
    assert_eq!(places.canary(), 1);
}
