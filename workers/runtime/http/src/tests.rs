//! Against small servers on loopback, which the tests allow and nobody else does.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use foresail_runtime_base::{RoleError, Secrets};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::Client;

/// Requests as they came: path, and head in lower case.
type Requests = Arc<Mutex<Vec<(String, String)>>>;

/// A server that answers by path, and keeps what it was asked.
struct Server {
    port: u16,
    requests: Requests,
}

impl Server {
    async fn start(answers: impl Fn(&str, u16) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Requests::default();
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else {
                        break;
                    };
                    head.push(byte);
                }
                let head = String::from_utf8(head).unwrap();
                let path = head.split(' ').nth(1).unwrap_or_default().to_string();
                let answer = answers(&path, port);
                seen.lock().unwrap().push((path, head.to_lowercase()));
                stream.write_all(answer.as_bytes()).await.ok();
            }
        });
        Self { port, requests }
    }

    /// Head of each request, by path.
    fn heads(&self) -> BTreeMap<String, String> {
        self.requests.lock().unwrap().iter().cloned().collect()
    }

    fn at(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.port)
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
}

fn redirect(to: &str) -> String {
    answer("302 Found", &format!("Location: {to}\r\n"), "")
}

/// A mounted Secret, gone with its owner.
struct Folder(PathBuf);

impl Folder {
    fn of(keys: &[(&str, &str)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("foresail-http-{}-{count}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(folder.join("source")).unwrap();
        for (key, text) in keys {
            std::fs::write(folder.join("source").join(key), text).unwrap();
        }
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

const TOKEN: (&str, &str) = ("token", "canary-token-123");

/// A client, with its Secret for as long as it lives.
struct Reader {
    client: Client,
    _secret: Folder,
}

impl Deref for Reader {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// A client with loopback allowed.
fn client(secret: &[(&str, &str)]) -> Reader {
    allowed(&["127.0.0.0/8", "::1/128"], secret)
}

fn allowed(networks: &[&str], secret: &[(&str, &str)]) -> Reader {
    foresail_runtime_base::init("test");
    let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
    let secret = Folder::of(secret);
    Reader {
        client: Client::new(&networks, &Secrets::at(&secret.0)).unwrap(),
        _secret: secret,
    }
}

async fn body(client: &Client, uri: &str) -> Result<String, RoleError> {
    let mut answer = client.get(uri).await?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8(body).unwrap())
}

async fn reason(client: &Client, uri: &str) -> RoleError {
    let probed = client.head(uri, 1).await.map(drop).unwrap_err();
    let read = client.get(uri).await.unwrap_err();
    assert_eq!(probed, read, "the probe is the read");
    read
}

#[tokio::test]
async fn a_token_goes_only_where_its_secret_says() {
    let server = Server::start(|_, _| answer("200 OK", "", "a,b\n")).await;
    let uri = server.at("127.0.0.1", "/x.csv");
    let refused: [&[(&str, &str)]; 5] = [
        &[TOKEN],
        &[TOKEN, ("plaintext", "true")],
        &[TOKEN, ("plaintext", "true"), ("hosts", "example.com")],
        &[TOKEN, ("hosts", "127.0.0.1")],
        &[TOKEN, ("plaintext", "yes"), ("hosts", "127.0.0.1")],
    ];
    for secret in refused {
        let error = reason(&client(secret), &uri).await;
        assert_eq!(error.reason, "CredentialRefused", "{secret:?}");
        assert!(!error.message.contains(TOKEN.1), "{error}");
    }
    // As Kubernetes makes the Secret of a service account, whatever is added to it.
    let account = [
        TOKEN,
        ("ca.crt", "c"),
        ("namespace", "n"),
        ("hosts", "127.0.0.1"),
        ("plaintext", "true"),
    ];
    let error = reason(&client(&account), &uri).await;
    assert!(error.message.contains("service account"), "{error}");
    assert_eq!(server.heads().len(), 0, "somebody was asked");

    let good = client(&[TOKEN, ("plaintext", "true"), ("hosts", "127.0.0.1")]);
    assert_eq!(body(&good, &uri).await.unwrap(), "a,b\n");
    let heads = server.heads();
    assert!(heads["/x.csv"].contains("authorization: bearer canary-token-123"));
    // Without a token nothing has to be said.
    assert_eq!(body(&client(&[]), &uri).await.unwrap(), "a,b\n");
}

#[tokio::test]
async fn a_token_is_not_carried_to_another_host() {
    let server = Server::start(|path, port| match path {
        "/here" => redirect("/file"),
        "/there" => redirect(&format!("http://localhost:{port}/elsewhere")),
        "/elsewhere" => redirect(&format!("http://127.0.0.1:{port}/back")),
        "/denied" => redirect(&format!("http://localhost:{port}/closed")),
        "/closed" => answer("401 Unauthorized", "", ""),
        _ => answer("200 OK", "", "a,b\n"),
    })
    .await;
    let good = client(&[
        TOKEN,
        ("plaintext", "true"),
        ("hosts", "127.0.0.1,localhost"),
    ]);
    for path in ["/here", "/there"] {
        let uri = server.at("127.0.0.1", path);
        assert_eq!(body(&good, &uri).await.unwrap(), "a,b\n");
    }
    let heads = server.heads();
    for with in ["/here", "/file", "/there"] {
        assert!(heads[with].contains("canary-token-123"), "{with}");
    }
    for without in ["/elsewhere", "/back"] {
        assert!(!heads[without].contains("authorization"), "{without}");
    }
    let error = reason(&good, &server.at("127.0.0.1", "/denied")).await;
    assert_eq!(error.reason, "SourceAccessDenied");
    assert!(error.message.contains("redirect"), "{error}");
}

#[tokio::test]
async fn no_form_of_a_closed_address_is_connected_to() {
    let server = Server::start(|_, _| answer("200 OK", "", "root:x:0:0\n")).await;
    let port = server.port;
    let nobody = allowed(&[], &[]);
    let hosts = [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "127.1",
        "127.0.1",
        "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
        "127\u{3002}0\u{3002}0\u{3002}1",
        "%31%32%37.0.0.1",
        "user@127.0.0.1",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "169.254.169.254",
        "0xa9fea9fe",
        "2852039166",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::169.254.169.254]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.100.100.200",
        "224.0.0.1",
        "[ff02::1]",
        "255.255.255.255",
        "localhost",
        "LocalHost",
    ];
    for host in hosts {
        let error = reason(&nobody, &format!("http://{host}:{port}/x.csv")).await;
        assert_eq!(error.reason, "AddressNotAllowed", "{host}: {error}");
    }
    assert_eq!(server.heads().len(), 0, "somebody was asked");
}

#[tokio::test]
async fn a_redirect_is_judged_as_the_address_is() {
    let server = Server::start(|path, port| match path {
        "/metadata" => redirect("http://169.254.169.254/latest/meta-data"),
        "/mapped" => redirect("http://[::ffff:a9fe:a9fe]/latest"),
        "/name" => redirect(&format!("http://localhost:{port}/file")),
        "/file-system" => redirect("file:///etc/passwd"),
        "/nowhere" => answer("302 Found", "", ""),
        "/circle" => redirect("/circle"),
        _ => answer("200 OK", "", "secret,data\n"),
    })
    .await;
    // Loopback by its first address alone, so that `localhost` over IPv6 is closed as well.
    let client = allowed(&["127.0.0.1/32"], &[]);
    for path in ["/metadata", "/mapped"] {
        let error = reason(&client, &server.at("127.0.0.1", path)).await;
        assert_eq!(error.reason, "AddressNotAllowed", "{path}");
    }
    for path in ["/file-system", "/nowhere", "/circle"] {
        let error = reason(&client, &server.at("127.0.0.1", path)).await;
        assert_eq!(error.reason, "RedirectRefused", "{path}");
    }
    let circles = server.requests.lock().unwrap().clone();
    let circles = circles.iter().filter(|(path, _)| path == "/circle");
    assert_eq!(
        circles.count(),
        2 * 6,
        "a probe and a read, five redirects each"
    );
}

#[tokio::test]
async fn a_probe_reads_what_it_asks_for_under_an_honest_name() {
    let server = Server::start(|path, _| match path {
        "/part?X-Signature=hidden" => answer("206 Partial Content", "", "a"),
        "/empty" => answer("416 Range Not Satisfiable", "", ""),
        _ => answer("200 OK", "", "a,b\n"),
    })
    .await;
    let client = client(&[]);
    for (path, read) in [
        ("/part?X-Signature=hidden", "a"),
        ("/whole", "a"),
        ("/empty", ""),
    ] {
        let head = client.head(&server.at("127.0.0.1", path), 1).await;
        assert_eq!(head.unwrap(), read.as_bytes(), "{path}");
    }
    for (path, head) in server.heads() {
        assert!(head.starts_with("get "), "{path}: {head}");
        assert!(head.contains("range: bytes=0-0"), "{path}: {head}");
        let name = concat!("user-agent: foresail/", env!("CARGO_PKG_VERSION"));
        assert!(head.contains(name), "{path}: {head}");
    }
}

#[tokio::test]
async fn what_is_said_holds_neither_signature_nor_password_nor_body() {
    let server = Server::start(|path, port| {
        let status = path
            .trim_start_matches('/')
            .split('?')
            .next()
            .unwrap_or_default();
        match status {
            "moved" => redirect(&format!("http://127.0.0.1:{port}/500?X-Signature=hidden")),
            "cut" => "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx".into(),
            status => answer(&format!("{status} Hidden"), "", "{\"hidden\": \"hidden\"}"),
        }
    })
    .await;
    let client = client(&[]);
    let cases = [
        ("401", "SourceAccessDenied"),
        ("404", "SourceMissing"),
        ("410", "SourceMissing"),
        ("500", "SourceFailed"),
        ("304", "SourceFailed"),
        ("moved", "SourceFailed"),
    ];
    for (status, expected) in cases {
        let path = format!("/{status}?X-Signature=hidden&{status}");
        let uri = server.at("user:hidden@127.0.0.1", &path);
        let error = reason(&client, &uri).await;
        assert_eq!(error.reason, expected, "{error}");
        assert!(!error.message.to_lowercase().contains("hidden"), "{error}");
        assert!(!error.message.contains("user"), "{error}");
    }
    let cut = body(&client, &server.at("127.0.0.1", "/cut?hidden")).await;
    let cut = cut.unwrap_err();
    assert_eq!(cut.reason, "SourceUnreachable");
    assert!(!cut.message.contains("hidden"), "{cut}");
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = unused.local_addr().unwrap().port();
    drop(unused);
    let nobody = reason(&client, &format!("http://127.0.0.1:{port}/x?hidden")).await;
    assert_eq!(nobody.reason, "SourceUnreachable");
    assert!(!nobody.message.contains("hidden"), "{nobody}");
}
