//! A client of tonic on a connection of its own.

use std::net::SocketAddr;
use std::task::{Context, Poll};

use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tonic::body::Body;
use tonic::client::{Grpc, GrpcService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use super::messages::{ModelInferRequest, ModelInferResponse};

const INFER: &str = "/inference.GRPCInferenceService/ModelInfer";

/// One connection.
#[derive(Clone)]
pub(super) struct Connection(SendRequest<Body>);

impl GrpcService<Body> for Connection {
    type ResponseBody = Incoming;
    type Error = hyper::Error;
    type Future = std::pin::Pin<
        Box<dyn Future<Output = Result<hyper::Response<Incoming>, hyper::Error>> + Send>,
    >;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: hyper::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

#[derive(Clone)]
pub(super) struct Client(Grpc<Connection>);

impl Client {
    pub(super) async fn connect(address: SocketAddr) -> Self {
        Self::on(TcpStream::connect(address).await.unwrap()).await.0
    }

    /// A client, and the end of its connection.
    pub(super) async fn on<S>(stream: S) -> (Self, JoinHandle<hyper::Result<()>>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let handshake = Builder::new(TokioExecutor::new()).handshake(TokioIo::new(stream));
        let (send, connection) = handshake.await.unwrap();
        let ended = tokio::spawn(connection);
        let origin = "http://predict".parse().unwrap();
        (Self(Grpc::with_origin(Connection(send), origin)), ended)
    }

    pub(super) async fn call<A: Message + Default + Send + 'static>(
        &mut self,
        path: &'static str,
        message: impl Message + 'static,
    ) -> Result<Response<A>, Status> {
        self.send(path, Request::new(message)).await
    }

    async fn send<Q: Message + Send + 'static, A: Message + Default + Send + 'static>(
        &mut self,
        path: &str,
        request: Request<Q>,
    ) -> Result<Response<A>, Status> {
        let ready = self.0.ready().await;
        ready.map_err(|e| Status::unknown(e.to_string()))?;
        let path = path.parse().unwrap();
        self.0.unary(request, path, ProstCodec::default()).await
    }

    pub(super) async fn ask<A: Message + Default + Send + 'static>(
        &mut self,
        method: &str,
        message: impl Message + 'static,
    ) -> Result<A, Status> {
        let path = format!("/inference.GRPCInferenceService/{method}");
        let answer = self.send(&path, Request::new(message)).await;
        answer.map(Response::into_inner)
    }

    pub(super) async fn infer(
        &mut self,
        message: ModelInferRequest,
    ) -> Result<Response<ModelInferResponse>, Status> {
        self.call(INFER, message).await
    }

    /// A call of a client that waits so long.
    pub(super) async fn waiting(
        &mut self,
        wait: &str,
        message: ModelInferRequest,
    ) -> Result<Response<ModelInferResponse>, Status> {
        self.with_header("grpc-timeout", wait, message).await
    }

    /// A call with a header of its own.
    pub(super) async fn with_header(
        &mut self,
        name: &'static str,
        value: &str,
        message: ModelInferRequest,
    ) -> Result<Response<ModelInferResponse>, Status> {
        let mut request = Request::new(message);
        let value = value.parse().unwrap();
        request.metadata_mut().insert(name, value);
        self.send(INFER, request).await
    }
}
