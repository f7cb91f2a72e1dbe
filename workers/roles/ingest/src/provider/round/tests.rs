use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc as threads;

use foresail_crds::ProviderAccountSpec;
use foresail_domain::Symbol;
use foresail_quota::{Ledger, Level};
use foresail_runtime_base::metrics::Registry;
use foresail_runtime_base::{Outside, Secrets, Shutdown};
use foresail_runtime_providers::Client;
use foresail_runtime_providers::memory::{Memory, Weather};
use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::provider::timetable::new_york;

const EMPTY: &str = r#"{"chart":{"result":null,"error":null}}"#;

/// A provider that has nothing, and that says so of SLOW only once it may.
fn door() -> (SocketAddr, threads::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (release, may) = threads::channel();
    let may = Arc::new(Mutex::new(may));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, may) = (stream.unwrap(), Arc::clone(&may));
            std::thread::spawn(move || answer(&stream, &may));
        }
    });
    (address, release)
}

fn answer(mut stream: &TcpStream, may: &Mutex<threads::Receiver<()>>) {
    let lines = BufReader::new(stream).lines().map(Result::unwrap);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    if head[0].contains("SLOW") {
        may.lock().unwrap().recv().ok();
    }
    let length = EMPTY.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{EMPTY}"
    )
    .unwrap();
}

fn provider(address: SocketAddr) -> Provider {
    foresail_runtime_base::init("test");
    let spec = json!({"provider": "Yahoo", "endpoint": format!("http://{address}"), "limits": {}});
    let spec: ProviderAccountSpec = serde_json::from_value(spec).unwrap();
    let secrets = Secrets::at("/nowhere");
    let client = Client::new(&spec, &[address.to_string()], &secrets).unwrap();
    let ledger = Memory::new(Ledger::default(), Timestamp::now(), Weather::default());
    Provider::new(
        &spec,
        ("account", "n/p"),
        (client, Arc::new(ledger)),
        (&Outside::plain(secrets), &Registry::default()),
        Shutdown::new(),
    )
}

fn due(symbols: &[&str]) -> Vec<(usize, Entry)> {
    let entry = |symbol: &&str| Entry::new(Symbol::new(*symbol).unwrap());
    symbols.iter().map(entry).enumerate().collect()
}

#[tokio::test]
async fn a_symbol_is_handed_on_while_another_is_still_asked_for() {
    let (address, release) = door();
    let (provider, timetable) = (provider(address), new_york());
    let source = Source {
        provider: provider.kind(),
        level: Level::Unknown,
    };
    let now = Timestamp::now().as_millisecond();
    let round = Round::new(&provider, source, &timetable, now);
    let (asked, mut came) = mpsc::channel(MOST_WAITING);
    let taking = async {
        let fast = came.recv().await.unwrap();
        release.send(()).unwrap();
        (fast, came.recv().await.unwrap(), came.recv().await)
    };
    let asking = round.ask(due(&["SLOW", "FAST"]), asked);
    let ((), (fast, slow, nobody)) = tokio::join!(asking, taking);
    assert_eq!((fast.place, slow.place, nobody.is_none()), (1, 0, true));
    for asked in [fast, slow] {
        assert_eq!(asked.entry.attempted, Some(now));
    }
    round.end();
    let (asked, mut came) = mpsc::channel(MOST_WAITING);
    round.ask(due(&["FAST"]), asked).await;
    assert_eq!(came.recv().await.unwrap().entry.attempted, None);
    assert_eq!(round.outcome().answers, 2);
}

#[tokio::test]
async fn rows_wait_for_room_and_all_of_a_long_history_has_it_alone() {
    let (address, _release) = door();
    let (provider, timetable) = (provider(address), new_york());
    let source = Source {
        provider: provider.kind(),
        level: Level::Unknown,
    };
    let round = Round::new(&provider, source, &timetable, 0);
    assert!(round.room_for(0).await.is_none());
    let some = round.room_for(1).await;
    let soon = Duration::from_millis(20);
    let all = tokio::time::timeout(soon, round.room_for(usize::MAX)).await;
    assert!(all.is_err(), "there is a row that waits");
    drop(some);
    assert!(round.room_for(usize::MAX).await.is_some());
}
