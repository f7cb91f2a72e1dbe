//! The real server against clients that mean no good: others are answered all the while.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::limits::{BODY_PAUSE, CONNECTIONS, LARGEST_BODY};
use crate::server::http;
use crate::state::State;
use crate::testing::{model, put, row, state};

/// More than may be worked on at one time.
const MANY: usize = 520;
const SOON: Duration = Duration::from_secs(5);

/// A server that has an answer, and its address.
async fn serving() -> (Arc<State>, SocketAddr) {
    let state = state();
    state.answer_with(model(1));
    put(&state, [row(1_199_221_200_000)]);
    let (server, address) =
        http(&state, SocketAddr::from(([127, 0, 0, 1], 0)), CONNECTIONS).unwrap();
    actix_web::rt::spawn(server);
    (state, address)
}

fn post(path: &str, length: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n")
}

/// Sends the beginning of a request and leaves the connection open.
async fn begin(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// First line of an answer.
async fn status(stream: &mut TcpStream) -> String {
    let mut answer = vec![0; 4096];
    let read = timeout(SOON, stream.read(&mut answer)).await;
    let read = read.expect("no answer").unwrap();
    let text = String::from_utf8_lossy(&answer[..read]).into_owned();
    text.lines().next().unwrap_or_default().to_owned()
}

/// What other clients get now, for a small request of each kind.
async fn others_are_answered(address: SocketAddr) {
    let get = "GET /v1/forecasts/X HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(
        status(&mut begin(address, get).await).await,
        "HTTP/1.1 200 OK"
    );
    let body = r#"{"inputs":[{"type":"univariate_time_series","series":[1,2,4]}]}"#;
    let text = post("/v1/timeseries/forecast", body.len()) + body;
    assert_eq!(
        status(&mut begin(address, &text).await).await,
        "HTTP/1.1 200 OK"
    );
}

#[actix_web::test]
async fn reset_connections_leave_nothing_behind() {
    let (_, address) = serving().await;
    for _ in 0..MANY {
        let stream = begin(address, &(post("/v1/features", 100) + "{\"ba")).await;
        let socket = SockRef::from(&stream);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    }
    others_are_answered(address).await;
}

#[actix_web::test]
async fn bodies_that_do_not_come_keep_nobody_out_and_are_given_up() {
    let (_, address) = serving().await;
    let mut idle = Vec::new();
    for _ in 0..MANY {
        idle.push(begin(address, &(post("/v1/features", 100) + "{")).await);
    }
    others_are_answered(address).await;
    tokio::time::sleep(BODY_PAUSE).await;
    let first = status(&mut idle[0]).await;
    assert_eq!(first, "HTTP/1.1 408 Request Timeout");
    let mut rest = Vec::new();
    let closed = timeout(SOON, idle[0].read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "the connection stays open");
}

#[actix_web::test]
async fn bodies_that_are_too_large_are_refused_before_they_are_read() {
    let (_, address) = serving().await;
    let mut stream = begin(address, &post("/v1/features", LARGEST_BODY + 1)).await;
    let declared = status(&mut stream).await;
    assert_eq!(declared, "HTTP/1.1 413 Payload Too Large");
    let chunked = "POST /v1/features HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut stream = begin(address, chunked).await;
    let part = format!("{:x}\r\n{}\r\n", 1 << 20, " ".repeat(1 << 20));
    for _ in 0..3 {
        // The server may have hung up by then.
        stream.write_all(part.as_bytes()).await.ok();
    }
    let undeclared = status(&mut stream).await;
    assert_eq!(undeclared, "HTTP/1.1 413 Payload Too Large");
}

#[actix_web::test]
async fn the_largest_bodies_of_one_leave_room_for_the_small_ones_of_others() {
    let (_, address) = serving().await;
    let mut large = Vec::new();
    let most = " ".repeat(LARGEST_BODY - 1);
    let mut refused = 0;
    for _ in 0..40 {
        let mut stream = begin(address, &post("/v1/features", LARGEST_BODY)).await;
        if stream.write_all(most.as_bytes()).await.is_err() {
            refused += 1;
        }
        large.push(stream);
        if large.len() % 10 == 0 {
            others_are_answered(address).await;
        }
    }
    let mut answers = Vec::new();
    for stream in &mut large {
        let mut first = [0; 12];
        let read = timeout(SOON, stream.read_exact(&mut first)).await;
        if matches!(read, Ok(Ok(_))) {
            answers.push(String::from_utf8_lossy(&first).into_owned());
        }
    }
    let busy = answers.iter().filter(|a| *a == "HTTP/1.1 503").count();
    assert!(busy + refused > 0, "all of them were held: {answers:?}");
}

#[actix_web::test]
async fn series_without_end_cost_no_more_than_their_limit() {
    let (_, address) = serving().await;
    let series = |count: usize| {
        let points = vec!["[1]"; count].join(",");
        format!(
            r#"{{"inputs":[{{"type":"multivariate_time_series","columns":["close"],"series":[{points}]}}]}}"#
        )
    };
    let many = series(500_000);
    let text = post("/v1/timeseries/forecast", many.len()) + &many;
    let mut stream = begin(address, &text).await;
    assert_eq!(status(&mut stream).await, "HTTP/1.1 400 Bad Request");
    let levels = vec!["0.5"; 100_000].join(",");
    let body = format!(
        r#"{{"inputs":[{{"type":"univariate_time_series","series":[1,2]}}],"options":{{"quantiles":[{levels}]}}}}"#
    );
    let text = post("/v1/timeseries/forecast", body.len()) + &body;
    let mut stream = begin(address, &text).await;
    assert_eq!(status(&mut stream).await, "HTTP/1.1 400 Bad Request");
    others_are_answered(address).await;
}
