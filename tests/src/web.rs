//! A small HTTP server in the process of a test, which the node's pods reach: what a stranger, a store that keeps no
//! rules or a vendor of bars answers.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;

use crate::Cluster;

/// What was asked.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `GET`.
    pub method: String,
    /// Path with query.
    pub path: String,
    /// Lines `name: value`, the names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Request {
    /// A header by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// `200 OK`.
    pub status: &'static str,
    /// `Name: value`.
    pub headers: Vec<String>,
    /// Its body; HEAD gets its length.
    pub body: Vec<u8>,
}

impl Answer {
    /// An answer with this status and body.
    pub fn new(status: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }
}

/// The running server; it ends when this is dropped.
pub struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// Listens on the address of this machine that the node's pods can reach.
    ///
    /// # Errors
    /// When nothing can listen there.
    pub async fn start<F>(cluster: &Cluster, answer: F) -> Result<Self>
    where
        F: Fn(Request) -> Answer + Send + Sync + 'static,
    {
        let listener = TcpListener::bind((own_address(cluster).await?, 0)).await?;
        let address = listener.local_addr()?;
        let answer = Arc::new(answer);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&answer)));
            }
        });
        Ok(Self { address, task })
    }

    /// `http://host:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The host in it.
    pub fn host(&self) -> String {
        self.address.ip().to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The address packets to the node leave from.
async fn own_address(cluster: &Cluster) -> Result<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").await?;
    socket.connect(&cluster.settings.kafka).await?;
    Ok(socket.local_addr()?.ip())
}

async fn serve(stream: TcpStream, answer: Arc<impl Fn(Request) -> Answer>) {
    let mut stream = BufReader::new(stream);
    while let Ok(Some(request)) = read(&mut stream).await {
        let is_head = request.method == "HEAD";
        let Answer {
            status,
            headers,
            body,
        } = answer(request);
        let mut bytes = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len());
        for header in headers {
            bytes.push_str(&header);
            bytes.push_str("\r\n");
        }
        let mut bytes = (bytes + "\r\n").into_bytes();
        if !is_head {
            bytes.extend_from_slice(&body);
        }
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let mut request = Request {
        method: words.next().context("no method")?,
        path: words.next().context("no path")?,
        ..Request::default()
    };
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await?;
        let Some((name, value)) = header.trim().split_once(':') else {
            break;
        };
        let name = name.to_ascii_lowercase();
        request.headers.push((name, value.trim().to_owned()));
    }
    if request.header("expect").is_some() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let length = request.header("content-length");
    let length = length.map_or(Ok(0), str::parse)?;
    request.body = vec![0; length];
    stream.read_exact(&mut request.body).await?;
    Ok(Some(request))
}
