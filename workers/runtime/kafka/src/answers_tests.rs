use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use foresail_crds::worker_config::{KafkaAddress, secret as system};
use foresail_runtime_base::{Outside, Secrets};

use super::*;

fn settings(port: u16, secrets: Secrets, secret_name: Option<&str>) -> Settings {
    let address = KafkaAddress {
        bootstrap_servers: format!("127.0.0.1:{port}"),
        secret_name: secret_name.map(str::to_string),
        topic_prefix: String::new(),
    };
    Settings::new(&address, &Outside::plain(secrets)).unwrap()
}

fn refusal(code: Code, reason: &str) -> Refusal {
    Refusal {
        error: KafkaError::Global(code),
        reason: reason.to_string(),
    }
}

#[tokio::test]
async fn a_closed_port_is_told_with_what_the_system_said() {
    let settings = settings(1, Secrets::at("/nowhere"), None);
    let error = answers(&settings, "making topics").await.unwrap_err();
    assert_eq!(error.reason, "KafkaUnreachable");
    // The timeout alone would not know it.
    assert!(error.message.contains("Connection refused"), "{error}");
    // The same at each attempt, or status would be written again each time.
    assert!(!error.message.contains("after "), "{error}");
}

#[tokio::test]
async fn a_refused_login_is_no_broker_that_is_away() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || refuse_login(stream));
        }
    });
    let folder = std::env::temp_dir().join(format!("foresail-login-{}", std::process::id()));
    let secret = folder.join(system::KAFKA);
    std::fs::create_dir_all(&secret).unwrap();
    std::fs::write(secret.join("username"), "u").unwrap();
    std::fs::write(secret.join("password"), "wrong").unwrap();
    let settings = settings(port, Secrets::at(&folder), Some("s"));
    let error = answers(&settings, "making topics").await.unwrap_err();
    std::fs::remove_dir_all(folder).unwrap();
    assert_eq!(error.reason, "KafkaAuthFailed", "{error}");
    assert!(error.message.contains("nobody knows u"), "{error}");
}

/// A broker that takes SCRAM, and no password.
fn refuse_login(mut stream: TcpStream) -> Option<()> {
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length).ok()?;
        let mut request = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut request).ok()?;
        let mut answer = request[4..8].to_vec();
        match request[1] {
            // ApiVersions 3: SaslHandshake 0 to 1, ApiVersions 0 to 3, SaslAuthenticate 0.
            18 => {
                answer.extend([0, 0, 4]);
                for [key, most] in [[17, 1], [18, 3], [36, 0]] {
                    answer.extend([0, key, 0, 0, 0, most, 0]);
                }
                answer.extend([0; 5]);
            }
            17 => {
                answer.extend([0, 0, 0, 0, 0, 1, 0, 13]);
                answer.extend(b"SCRAM-SHA-512");
            }
            // SASL_AUTHENTICATION_FAILED
            _ => {
                answer.extend([0, 58, 0, 14]);
                answer.extend(b"nobody knows u");
                answer.extend([0; 4]);
            }
        }
        let length = u32::try_from(answer.len()).ok()?.to_be_bytes();
        stream.write_all(&length).ok()?;
        stream.write_all(&answer).ok()?;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_soon_and_silence_after_the_whole_timeout() {
    let (_answered, answer) = oneshot::channel();
    let (refused, refusals) = mpsc::unbounded_channel();
    refused
        .send(refusal(Code::AllBrokersDown, "1/1 brokers are down"))
        .unwrap();
    refused
        .send(refusal(Code::BrokerTransportFailure, "refused"))
        .unwrap();
    refused
        .send(refusal(Code::BrokerTransportFailure, "refused again"))
        .unwrap();
    let start = Instant::now();
    let told = outcome(answer, refusals).await;
    assert!(
        matches!(&told, Outcome::Refused(r) if r.reason == "refused"),
        "{told:?}"
    );
    assert_eq!(start.elapsed().as_secs(), AFTER_REFUSAL.as_secs());

    let (_answered, answer) = oneshot::channel();
    let (_refused, refusals) = mpsc::unbounded_channel();
    let start = Instant::now();
    let told = outcome(answer, refusals).await;
    assert!(matches!(told, Outcome::Failed(_)), "{told:?}");
    assert_eq!(start.elapsed().as_secs(), (ANSWER + SLACK).as_secs());
}

#[tokio::test(start_paused = true)]
async fn an_answer_after_a_refusal_counts() {
    let (answered, answer) = oneshot::channel();
    let (refused, refusals) = mpsc::unbounded_channel();
    refused
        .send(refusal(
            Code::BrokerTransportFailure,
            "the first of two addresses",
        ))
        .unwrap();
    tokio::spawn(async move {
        tokio::time::sleep(AFTER_REFUSAL / 2).await;
        answered.send(Ok(())).unwrap();
    });
    let told = outcome(answer, refusals).await;
    assert!(matches!(told, Outcome::Answered), "{told:?}");
}
