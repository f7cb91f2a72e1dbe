//! A simulator for tests.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use foresail_runtime_base::Shutdown;
use foresail_simulate::Settings;

/// A simulator of this scenario on a free port.
pub async fn started(scenario: &str) -> (SocketAddr, Shutdown) {
    let bind = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let name = format!("simulator-{}-{}.yaml", std::process::id(), bind.port());
    let file = std::env::temp_dir().join(name);
    std::fs::write(&file, scenario).unwrap();
    let shutdown = Shutdown::new();
    let settings = Settings {
        scenario: file,
        bind,
    };
    let end = shutdown.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime
            .block_on(foresail_simulate::run(settings, end))
            .unwrap();
    });
    for _ in 0..100 {
        if std::net::TcpStream::connect(bind).is_ok() {
            return (bind, shutdown);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the simulator does not answer on {bind}");
}
