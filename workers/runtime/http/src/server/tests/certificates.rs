use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustls::HandshakeKind;

use super::*;

/// Reqwest as a user has it: connections are kept.
fn keeping() -> reqwest::Client {
    let ca = std::fs::read(sample("ca.crt")).unwrap();
    let ca = reqwest::Certificate::from_pem(&ca).unwrap();
    reqwest::Client::builder()
        .tls_certs_only([ca])
        .build()
        .unwrap()
}

#[actix_web::test]
async fn certificates_are_replaced_under_load_and_nobody_notices() {
    let served = serving("server-1", None);
    let url = format!("https://localhost:{}/", served.address.port());
    let (done, answered) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    // Some keep their connections, the others make a new one for each request.
    let asking = (0..8).map(|index| {
        let (url, done, answered) = (url.clone(), Arc::clone(&done), Arc::clone(&answered));
        tokio::spawn(async move {
            let kept = keeping();
            while !done.load(Ordering::Relaxed) {
                let client = if index % 2 == 0 {
                    kept.clone()
                } else {
                    keeping()
                };
                let answer = client.get(&url).send().await.unwrap();
                assert_eq!(answer.text().await.unwrap(), "ok");
                answered.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    let asking: Vec<_> = asking.collect();
    let trusting = client(None);
    let mut first = connect(served.address, &trusting).await.unwrap();
    for name in ["server-2", "server-3", "server-1"] {
        let before = answered.load(Ordering::Relaxed);
        while answered.load(Ordering::Relaxed) < before + 20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        put(served.folder.path(), name);
        served.tls.look();
        let new = connect(served.address, &trusting).await.unwrap();
        assert_eq!(shown(&new), certificate(name));
        assert_eq!(served.tls.fault(), None);
        // A connection from before lives on.
        assert_eq!(ask(&mut first).await.unwrap(), "HTTP/1.1 200 OK");
    }
    done.store(true, Ordering::Relaxed);
    for asked in asking {
        asked.await.unwrap();
    }
}

#[actix_web::test]
async fn a_pair_that_cannot_be_used_changes_nothing_and_is_told_of() {
    let served = serving("server-1", None);
    let folder = served.folder.path();
    let trusting = client(None);
    let garbage = || std::fs::write(folder.join("tls.crt"), "nothing").unwrap();
    let cut = || {
        let pem = std::fs::read_to_string(sample("server-2.crt")).unwrap();
        std::fs::write(folder.join("tls.crt"), &pem[..pem.len() / 2]).unwrap();
    };
    let other_key = || drop(std::fs::copy(sample("server-2.key"), folder.join("tls.key")).unwrap());
    let no_key = || std::fs::write(folder.join("tls.key"), "").unwrap();
    let gone = || std::fs::remove_file(folder.join("tls.crt")).unwrap();
    let cases: [(&dyn Fn(), &str); 7] = [
        (&garbage, "it holds no certificate"),
        (&cut, "tls.crt cannot be used"),
        (&other_key, "is that of another certificate"),
        (&no_key, "no private key"),
        (&gone, "No such file"),
        (&|| put(folder, "expired"), "expired"),
        (&|| put(folder, "future"), "not valid yet"),
    ];
    for (damage, expected) in cases {
        put(folder, "server-1");
        damage();
        served.tls.look();
        let fault = served.tls.fault().expect(expected);
        assert_eq!(fault.reason, "CertificateUnusable");
        assert!(fault.message.contains(expected), "{fault}");
        assert!(fault.message.contains("stays in use"), "{fault}");
        assert!(!fault.message.contains("PRIVATE"), "{fault}");
        let mut new = connect(served.address, &trusting).await.unwrap();
        assert_eq!(shown(&new), certificate("server-1"));
        assert_eq!(ask(&mut new).await.unwrap(), "HTTP/1.1 200 OK");
    }
    put(folder, "server-2");
    served.tls.look();
    assert_eq!(served.tls.fault(), None);
    let new = connect(served.address, &trusting).await.unwrap();
    assert_eq!(shown(&new), certificate("server-2"));
}

#[actix_web::test]
async fn nobody_starts_with_a_pair_that_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "expired");
    let files = Files {
        certificate: folder.path().join("tls.crt"),
        key: folder.path().join("tls.key"),
        client_ca: Some(folder.path().join("ca.crt")),
    };
    let open = || Tls::open(files.clone(), &Registry::default()).unwrap_err();
    assert!(open().message.contains("ca.crt cannot be used: No such"));
    std::fs::copy(sample("ca.crt"), folder.path().join("ca.crt")).unwrap();
    assert!(open().message.contains("expired"), "{}", open());
}

#[actix_web::test]
async fn clients_show_a_certificate_of_the_right_authority_or_are_refused() {
    let served = serving("server-1", Some("ca.crt"));
    for name in [None, Some("stranger")] {
        // In TLS 1.3 the client learns only with its first answer that it was refused.
        let asked = async {
            let mut stream = connect(served.address, &client(name)).await?;
            ask(&mut stream).await
        };
        assert!(asked.await.is_err(), "{name:?}");
    }
    let ours = client(Some("client"));
    let mut stream = connect(served.address, &ours).await.unwrap();
    assert_eq!(ask(&mut stream).await.unwrap(), "HTTP/1.1 200 OK");
}

#[actix_web::test]
async fn sessions_are_taken_up_again_unless_clients_show_certificates() {
    for (ca, name, expected) in [
        (None, None, HandshakeKind::Resumed),
        (Some("ca.crt"), Some("client"), HandshakeKind::Full),
    ] {
        let served = serving("server-1", ca);
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let mut config = client(name);
            let versions = [version];
            // The same settings, so that the second connection finds the session of the first.
            let roots = {
                let mut roots = RootCertStore::empty();
                roots.add(certificate("ca")).unwrap();
                roots
            };
            let builder = ClientConfig::builder_with_protocol_versions(&versions)
                .with_root_certificates(roots);
            *Arc::make_mut(&mut config) = match name {
                None => builder.with_no_client_auth(),
                Some(name) => {
                    let key = PrivateKeyDer::from_pem_file(sample(&format!("{name}.key")));
                    let chain = vec![certificate(name)];
                    builder.with_client_auth_cert(chain, key.unwrap()).unwrap()
                }
            };
            for kind in [HandshakeKind::Full, expected] {
                let mut stream = connect(served.address, &config).await.unwrap();
                assert_eq!(ask(&mut stream).await.unwrap(), "HTTP/1.1 200 OK");
                let made = stream.get_ref().1.handshake_kind();
                assert_eq!(made, Some(kind), "{ca:?} {version:?}");
            }
        }
    }
}
