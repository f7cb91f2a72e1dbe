//! Against small servers on loopback that count who connects.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// A server that says the same to everybody, and how many have connected.
async fn server(answer: impl Fn(u16) -> String + Send + 'static) -> (u16, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connected = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&connected);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let answer = answer(port);
            tokio::spawn(async move {
                let mut head = [0; 4096];
                let Ok(1..) = stream.read(&mut head).await else {
                    return;
                };
                stream.write_all(answer.as_bytes()).await.ok();
                // An answer without an end is a slow one.
                if answer.is_empty() {
                    tokio::time::sleep(Duration::from_secs(30)).await;
                }
            });
        }
    });
    (port, connected)
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
}

fn exchange(rule: AddressRule) -> Exchange {
    foresail_runtime_base::init("test");
    let manner = Manner {
        rule,
        user_agent: "test/1".into(),
        timeout: Duration::from_secs(2),
    };
    Exchange::new(manner).unwrap()
}

#[tokio::test]
async fn no_form_of_a_closed_address_is_connected_to() {
    let (port, connected) = server(|_| answer("200 OK", "", "x")).await;
    let public = exchange(AddressRule::default());
    for host in [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
    ] {
        let url = format!("http://{host}:{port}/query?apikey=hidden");
        let refused = public.get(&url, 10).await.unwrap_err();
        assert!(
            matches!(refused, Unanswered::NotAllowed(_)),
            "{host}: {refused}"
        );
        assert!(
            !format!("{refused} {refused:?}").contains("hidden"),
            "{refused}"
        );
    }
    assert_eq!(connected.load(Ordering::Relaxed), 0);
    let named = exchange(AddressRule::of_named_hosts());
    let link_local = named.get("http://169.254.169.254/latest", 10).await;
    assert!(matches!(link_local, Err(Unanswered::NotAllowed(_))));
    let inside = named.get(&format!("http://127.0.0.1:{port}/"), 10).await;
    assert_eq!(inside.unwrap().body, b"x");
    assert_eq!(connected.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (target, reached) = server(|_| answer("200 OK", "", "x")).await;
    let (port, _) = server(move |_| {
        let location = format!("Location: http://127.0.0.1:{target}/\r\n");
        answer("302 Found", &location, "moved")
    })
    .await;
    let named = exchange(AddressRule::of_named_hosts());
    let reply = named.get(&format!("http://127.0.0.1:{port}/"), 100).await;
    let reply = reply.unwrap();
    assert_eq!(
        (reply.status, reply.body.as_slice()),
        (302, b"moved".as_slice())
    );
    assert!(reply.headers.iter().any(|(name, _)| name == "location"));
    assert_eq!(reached.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_is_no_answer_is_told_without_the_address() {
    let named = exchange(AddressRule::of_named_hosts());
    let (slow, _) = server(|_| String::new()).await;
    let (cut, _) = server(|_| "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx".into()).await;
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = unused.local_addr().unwrap().port();
    drop(unused);
    for (port, expected) in [
        (slow, Unanswered::Late),
        (cut, Unanswered::BrokenOff),
        (nobody, Unanswered::NoConnection),
    ] {
        let url = format!("http://127.0.0.1:{port}/query?apikey=hidden");
        let found = named.get(&url, 100).await.unwrap_err();
        assert_eq!(found, expected);
        assert!(!format!("{found} {found:?}").contains("hidden"));
    }
}

#[tokio::test]
async fn a_body_is_read_no_further_than_is_wanted() {
    let (port, _) = server(|_| answer("200 OK", "", &"x".repeat(10_000))).await;
    let named = exchange(AddressRule::of_named_hosts());
    let url = format!("http://127.0.0.1:{port}/");
    assert_eq!(named.get(&url, 100).await.unwrap().body.len(), 101);
    assert_eq!(named.get(&url, 10_000).await.unwrap().body.len(), 10_000);
}
