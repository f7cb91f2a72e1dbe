//! Clients that mean no good: others are answered all the while.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::limits::{BODY_PAUSE, MOST_GRPC_CONNECTIONS, MOST_STREAMS};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// Of a frame.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_HEADERS: u8 = 4;

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// The headers of a forecast: names by their numbers in the static table, values as they are.
fn headers() -> Vec<u8> {
    let mut block = vec![0x83, 0x86];
    for (name, value) in [
        (&[0x04][..], "/inference.GRPCInferenceService/ModelInfer"),
        (&[0x01], "p"),
        (&[0x0f, 0x10], "application/grpc"),
    ] {
        block.extend_from_slice(name);
        block.push(u8::try_from(value.len()).unwrap());
        block.extend_from_slice(value.as_bytes());
    }
    block
}

async fn begin(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

async fn others_are_answered(address: SocketAddr) {
    let answer = timeout(SOON, async {
        let mut client = Client::connect(address).await;
        client.infer(request(0.0)).await
    });
    assert!(answer.await.expect("no answer").is_ok());
}

/// Whether the server ends a connection soon.
async fn ends(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    timeout(SOON, stream.read_to_end(&mut rest)).await.is_ok()
}

#[tokio::test]
async fn connections_that_say_nothing_take_no_place_and_are_given_up() {
    let Running { address, .. } = running().await;
    let mut idle = Vec::new();
    for _ in 0..=MOST_GRPC_CONNECTIONS {
        idle.push(begin(address, b"").await);
    }
    others_are_answered(address).await;
    let mut other = begin(address, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(ends(&mut other).await, "it waits for HTTP/1");
    tokio::time::sleep(BODY_PAUSE).await;
    assert!(ends(&mut idle[0]).await, "it waits for a preface");
}

#[tokio::test]
async fn a_thousand_calls_that_do_not_come_keep_nobody_out() {
    let Running { state, address, .. } = running().await;
    let begin_calls = async |count: u32| {
        let mut many = PREFACE.to_vec();
        for call in 0..count {
            let stream = 2 * call + 1;
            many.extend(frame(HEADERS, END_HEADERS, stream, &headers()));
            many.extend(frame(DATA, 0, stream, &[0, 0, 0, 0, 9]));
        }
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The server may have hung up by then.
        stream.write_all(&many).await.ok();
        stream
    };
    let mut strangers = Vec::new();
    for _ in 0..5 {
        // Whoever begins more than a connection may carry is hung up on.
        strangers.push(begin_calls(1_000).await);
        strangers.push(begin_calls(MOST_STREAMS).await);
    }
    others_are_answered(address).await;
    tokio::time::sleep(BODY_PAUSE).await;
    others_are_answered(address).await;
    let infer = "/inference.GRPCInferenceService/ModelInfer";
    let slow = || state.metrics.requests.with([infer, "408"]).get();
    for _ in 0..50 {
        if slow() > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let most = 10 * u64::from(MOST_STREAMS);
    assert!((1..=most).contains(&slow()), "{}", slow());
}

#[tokio::test]
async fn half_headers_and_broken_frames_keep_nobody_out() {
    let Running { address, .. } = running().await;
    let half = [PREFACE, &frame(HEADERS, 0, 1, &headers()[..20])].concat();
    let mut waiting = Vec::new();
    for _ in 0..200 {
        waiting.push(begin(address, &half).await);
    }
    others_are_answered(address).await;
    for broken in [
        frame(HEADERS, END_HEADERS, 1, &[0xff; 30]),
        frame(DATA, 0, 1, b"x"),
        frame(HEADERS, END_HEADERS, 0, &headers()),
        vec![0xff; 64],
    ] {
        let mut stream = begin(address, &[PREFACE, &broken].concat()).await;
        assert!(ends(&mut stream).await, "{broken:02x?}");
    }
    others_are_answered(address).await;
}

#[tokio::test]
async fn headers_without_end_and_calls_that_are_not_grpc_are_refused() {
    let Running { state, address, .. } = running().await;
    let mut client = Client::connect(address).await;
    let long = "v".repeat(16 << 10);
    let refused = client.with_header("x-long", &long, request(0.0)).await;
    assert!(refused.is_err(), "{refused:?}");
    others_are_answered(address).await;
    let mut plain = headers();
    let end = plain.len() - "application/grpc".len();
    plain[end..].copy_from_slice(b"application/json");
    let bytes = [PREFACE, &frame(HEADERS, END_HEADERS | 1, 1, &plain)].concat();
    let _stream = begin(address, &bytes).await;
    let infer = "/inference.GRPCInferenceService/ModelInfer";
    for _ in 0..50 {
        if state.metrics.requests.with([infer, "415"]).get() == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it was not refused");
}

#[tokio::test]
async fn the_largest_messages_of_one_leave_room_for_the_small_ones_of_others() {
    let Running { address, .. } = running().await;
    let mut large = tokio::task::JoinSet::new();
    let client = Client::connect(address).await;
    for _ in 0..60 {
        let mut client = client.clone();
        let message = ModelInferRequest {
            raw_input_contents: vec![vec![0; LARGEST_BODY - 200]],
            ..request(0.0)
        };
        large.spawn(async move { client.infer(message).await });
    }
    for _ in 0..10 {
        others_are_answered(address).await;
    }
    while let Some(answer) = timeout(SOON * 4, large.join_next()).await.expect("stuck") {
        let status = answer.unwrap().unwrap_err();
        // What they hold, too much at one time, or too slow beside so many others.
        let expected = [
            Code::InvalidArgument,
            Code::Unavailable,
            Code::DeadlineExceeded,
        ];
        assert!(expected.contains(&status.code()), "{status:?}");
    }
    others_are_answered(address).await;
}
