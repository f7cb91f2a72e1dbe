//! The server over real sockets, against clients that mean well and others.

#[path = "tests/certificates.rs"]
mod certificates;
#[path = "tests/strangers.rs"]
mod strangers;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actix_web::{App, web};
use foresail_runtime_base::metrics::Registry;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::tls::{Files, Tls};
use super::{Bounds, Door, http1, listen};

const BOUNDS: Bounds = Bounds {
    socket_buffer: 64 << 10,
    connections: 256,
    answer_pause: Duration::from_secs(30),
    age: Duration::from_secs(60),
};

/// A server with files of its own.
struct Served {
    folder: TempDir,
    tls: Tls,
    address: SocketAddr,
}

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata")
        .join(name)
}

/// A server with the certificate `name`, and `client_ca` as the authority of its clients.
fn serving(name: &str, client_ca: Option<&str>) -> Served {
    foresail_runtime_base::init("test");
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), name);
    let files = Files {
        certificate: folder.path().join("tls.crt"),
        key: folder.path().join("tls.key"),
        client_ca: client_ca.map(sample),
    };
    let tls = Tls::open(files, &Registry::default()).unwrap();
    let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0)), &BOUNDS).unwrap();
    let address = listener.local_addr().unwrap();
    let app = || App::new().route("/", web::get().to(|| async { "ok" }));
    let door = Door::new(Some(tls.clone()), BOUNDS);
    actix_web::rt::spawn(http1::serve(app, listener, door).unwrap());
    Served {
        folder,
        tls,
        address,
    }
}

/// Puts a certificate and its key where a server looks for them.
fn put(folder: &Path, name: &str) {
    std::fs::copy(sample(&format!("{name}.crt")), folder.join("tls.crt")).unwrap();
    std::fs::copy(sample(&format!("{name}.key")), folder.join("tls.key")).unwrap();
}

fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(sample(&format!("{name}.crt"))).unwrap()
}

/// A client that trusts our authority, with the certificate `name` when there is one.
fn client(name: Option<&str>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca")).unwrap();
    let builder = ClientConfig::builder().with_root_certificates(roots);
    Arc::new(match name {
        None => builder.with_no_client_auth(),
        Some(name) => {
            let key = PrivateKeyDer::from_pem_file(sample(&format!("{name}.key"))).unwrap();
            let chain = vec![certificate(name)];
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    })
}

async fn connect(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::clone(config))
        .connect(name, tcp)
        .await
}

/// Asks once over a connection that stays; the first line of the answer.
async fn ask(stream: &mut TlsStream<TcpStream>) -> std::io::Result<String> {
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(request).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nok") {
        let mut bytes = [0; 1024];
        match stream.read(&mut bytes).await? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => answer.extend_from_slice(&bytes[..read]),
        }
    }
    let text = String::from_utf8_lossy(&answer);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// The certificate that a connection was made with.
fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    let chain = stream.get_ref().1.peer_certificates().unwrap();
    chain[0].clone().into_owned()
}
