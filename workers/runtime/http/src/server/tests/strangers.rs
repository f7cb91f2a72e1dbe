use tokio::time::{Instant, timeout};

use super::*;
use crate::server::tls::HANDSHAKE_DEADLINE;

/// What the server sends until it ends the connection.
async fn until_the_end(tcp: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is an end as well.
    let read = timeout(2 * HANDSHAKE_DEADLINE, tcp.read_to_end(&mut bytes)).await;
    drop(read.expect("the connection does not end"));
    bytes
}

#[actix_web::test]
async fn who_speaks_no_tls_is_refused_at_once() {
    let served = serving("server-1", None);
    let begin = Instant::now();
    let mut tcp = TcpStream::connect(served.address).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    tcp.write_all(request).await.unwrap();
    let answer = until_the_end(&mut tcp).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    assert!(begin.elapsed() < HANDSHAKE_DEADLINE);
}

#[actix_web::test]
async fn handshakes_that_do_not_go_on_end_while_others_are_answered() {
    let served = serving("server-1", None);
    let mut idle = Vec::new();
    for _ in 0..100 {
        let mut tcp = TcpStream::connect(served.address).await.unwrap();
        // The head of a record that never comes.
        tcp.write_all(&[22, 3, 1, 1, 0]).await.unwrap();
        idle.push(tcp);
    }
    let mut good = connect(served.address, &client(None)).await.unwrap();
    assert_eq!(ask(&mut good).await.unwrap(), "HTTP/1.1 200 OK");
    for tcp in &mut idle {
        assert_eq!(until_the_end(tcp).await, b"");
    }
    assert_eq!(ask(&mut good).await.unwrap(), "HTTP/1.1 200 OK");
}

#[actix_web::test]
async fn another_protocol_inside_is_refused() {
    let served = serving("server-1", None);
    let mut config = client(None);
    Arc::make_mut(&mut config).alpn_protocols = vec![b"h2".to_vec()];
    assert!(connect(served.address, &config).await.is_err());
    Arc::make_mut(&mut config).alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    assert!(connect(served.address, &config).await.is_ok());
}
