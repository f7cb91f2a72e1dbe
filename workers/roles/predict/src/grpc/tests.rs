//! The real server over gRPC against a real client.

#[path = "../../../../core/protocol/tests/golden/messages.rs"]
#[allow(
    dead_code,
    missing_docs,
    reason = "the golden tests of the protocol use the rest"
)]
mod messages;

mod client;
mod strangers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::test::{TestRequest, call_service, read_body_json};
use foresail_crds::pipeline::spec::Target;
use foresail_runtime_base::Shutdown;
use foresail_runtime_http::access::{Access, Keys};
use foresail_runtime_http::server::Door;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::Code;

use self::client::Client;
use self::messages::{
    Empty, Flag, HealthCheckRequest, HealthCheckResponse, ModelInferRequest, ModelMetadataResponse,
    ModelRequest, fp32, input, raw,
};
use super::connection::{Shared, serve};
use crate::limits::{CONNECTIONS, LARGEST_BODY};
use crate::registry::Here;
use crate::server::grpc;
use crate::state::State;
use crate::testing::{app, changing, following, logging, model, seasonal, state};

const SOON: Duration = Duration::from_secs(5);

/// A server that runs, and what ends it.
struct Running {
    state: Arc<State>,
    address: SocketAddr,
    stop: Shutdown,
    run: JoinHandle<()>,
}

/// A server whose champion is a version that follows its feature.
async fn running() -> Running {
    let state = state();
    state.registry.swap(Here {
        champion: Some(following(5)),
        previous: Some(seasonal(2, 2)),
        others: vec![],
    });
    serving(state)
}

fn serving(state: Arc<State>) -> Running {
    let bind = SocketAddr::from(([127, 0, 0, 1], 0));
    let (server, address) = grpc(&state, bind, CONNECTIONS).unwrap();
    let stop = Shutdown::new();
    let run = tokio::spawn(server.run(stop.clone()));
    Running {
        state,
        address,
        stop,
        run,
    }
}

/// A request for one window of the feature of the champion.
fn request(feature: f32) -> ModelInferRequest {
    ModelInferRequest {
        model_name: "p".into(),
        id: "42".into(),
        inputs: vec![input("x", "FP32", &[1, 1, 1], fp32(&[feature]))],
        ..ModelInferRequest::default()
    }
}

#[actix_web::test]
async fn numbers_are_those_of_rest_and_metadata_names_version_and_answer() {
    let Running { state, address, .. } = running().await;
    let app = app!(state);
    let feature = 0.0123_f32;
    let body = json!({"inputs": [{"name": "x", "shape": [1, 1, 1], "datatype": "FP32", "data": [feature]}]});
    let rest = TestRequest::post()
        .uri("/v2/models/p/infer")
        .set_payload(body.to_string());
    let rest: Value = read_body_json(call_service(&app, rest.to_request()).await).await;
    let expected: Vec<f32> = serde_json::from_value(rest["outputs"][0]["data"].clone()).unwrap();
    let mut client = Client::connect(address).await;
    let answer = client.infer(request(feature)).await.unwrap();
    let metadata = answer.metadata().clone();
    assert_eq!(metadata.get("x-foresail-model-version").unwrap(), "5");
    let id = metadata.get("x-foresail-prediction-id").unwrap();
    assert_eq!(id.len(), 32);
    let answer = answer.into_inner();
    let identity = (&*answer.model_name, &*answer.model_version, &*answer.id);
    assert_eq!(identity, ("p", "5", "42"));
    let typed = answer.outputs[0].contents.clone().unwrap().fp32_contents;
    let untyped = ModelInferRequest {
        inputs: vec![input("x", "FP32", &[1, 1, 1], None)],
        raw_input_contents: vec![raw(&[feature])],
        ..request(feature)
    };
    let answer = client.infer(untyped).await.unwrap().into_inner();
    let floats = answer.raw_output_contents[0].chunks(4);
    let floats = floats.map(|four| f32::from_le_bytes(four.try_into().unwrap()));
    let floats: Vec<f32> = floats.collect();
    for found in [typed, floats] {
        assert_eq!(found.len(), expected.len());
        let differ = found.iter().zip(&expected);
        let differ = differ.filter(|(a, b)| (**a - **b).abs() > 1e-6);
        assert_eq!(differ.count(), 0, "{found:?} instead of {expected:?}");
    }
    // A version by its number, which takes closes and more rows.
    let pinned = ModelInferRequest {
        model_version: "2".into(),
        inputs: vec![
            input("x", "FP32", &[1, 2, 1], fp32(&[0.0; 2])),
            input("close", "FP32", &[1, 2], fp32(&[50.0, 100.0])),
        ],
        ..request(feature)
    };
    let answer = client.infer(pinned).await.unwrap();
    let version = answer.metadata().get("x-foresail-model-version");
    assert_eq!(version.unwrap(), "2");
    let first = answer.into_inner().outputs[0].contents.clone().unwrap();
    assert_eq!(first.fp32_contents[0], -0.5);
}

#[tokio::test]
async fn every_method_is_served() {
    let Running { state, address, .. } = running().await;
    let mut client = Client::connect(address).await;
    let at = |name: &str| ModelRequest {
        name: name.into(),
        version: String::new(),
    };
    let live: Flag = client.ask("ServerLive", Empty {}).await.unwrap();
    let ready: Flag = client.ask("ServerReady", Empty {}).await.unwrap();
    let model_ready: Flag = client.ask("ModelReady", at("p")).await.unwrap();
    assert!(live.value && ready.value && model_ready.value);
    let metadata: ModelMetadataResponse = client.ask("ModelMetadata", at("p")).await.unwrap();
    assert_eq!(metadata.versions, ["2", "5"]);
    assert_eq!(metadata.inputs, [input("x", "FP32", &[-1, 1, 1], None)]);
    let health = HealthCheckRequest::default();
    let path = "/grpc.health.v1.Health/Check";
    let answer: HealthCheckResponse = client.call(path, health).await.unwrap().into_inner();
    assert_eq!(answer.status, 1);
    state.registry.swap(Here::default());
    let health: HealthCheckResponse = client
        .call(path, HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(health.status, 2);
    let counted = state
        .metrics
        .requests
        .with(["/inference.GRPCInferenceService/ModelReady", "200"])
        .get();
    assert_eq!(counted, 1);
}

#[tokio::test]
async fn refusals_have_codes_and_words() {
    let Running { state, address, .. } = running().await;
    let mut client = Client::connect(address).await;
    let other = ModelInferRequest {
        model_name: "z".into(),
        ..request(0.0)
    };
    let empty = ModelInferRequest {
        inputs: vec![],
        ..request(0.0)
    };
    for (message, code, words) in [
        (
            other,
            Code::NotFound,
            "Request for unknown model: 'z' is not found",
        ),
        (
            empty,
            Code::InvalidArgument,
            "missing inference input 'x' for model 'p'",
        ),
    ] {
        let status = client.infer(message).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (code, words));
    }
    let asked = client.ask::<Empty>("ModelConfig", Empty {}).await;
    let status = asked.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    state.registry.swap(Here::default());
    let status = client.infer(request(0.0)).await.unwrap_err();
    let expected = (Code::Unavailable, "Model with name p is not ready.");
    assert_eq!((status.code(), status.message()), expected);
    let metrics = &state.metrics.requests;
    let infer = "/inference.GRPCInferenceService/ModelInfer";
    assert_eq!(metrics.with([infer, "404"]).get(), 1);
    assert_eq!(metrics.with(["other", "501"]).get(), 1);
    // What is not finite is never sent.
    let wild = changing(1, 1e200, Target::Close);
    state.answer_with(wild);
    let status = client.infer(request(0.0)).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
}

#[tokio::test]
async fn messages_that_are_too_large_are_refused_and_the_connection_goes_on() {
    let Running { address, .. } = running().await;
    let mut client = Client::connect(address).await;
    let large = ModelInferRequest {
        raw_input_contents: vec![vec![0; LARGEST_BODY]],
        ..request(0.0)
    };
    let status = client.infer(large).await.unwrap_err();
    let expected = (Code::ResourceExhausted, "at most 2097152 bytes are read");
    assert_eq!((status.code(), status.message()), expected);
    client.infer(request(0.0)).await.unwrap();
    // One that is just read is refused for what it holds.
    let most = ModelInferRequest {
        raw_input_contents: vec![vec![0; LARGEST_BODY - 200]],
        ..request(0.0)
    };
    let status = client.infer(most).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
}

/// Computations that go on until they are told to end, as many as there may be.
fn hold_computations(state: &Arc<State>) -> std::sync::mpsc::Sender<()> {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = Arc::new(std::sync::Mutex::new(wait));
    for _ in 0..2 {
        let (state, wait) = (Arc::clone(state), Arc::clone(&wait));
        tokio::spawn(async move {
            let work = move || wait.lock().unwrap().recv().ok();
            state.limits.compute(work).await.ok();
        });
    }
    go
}

#[tokio::test]
async fn a_call_past_its_deadline_is_not_computed() {
    let Running { state, address, .. } = running().await;
    let mut client = Client::connect(address).await;
    let in_time = client.waiting("5S", request(0.0)).await;
    assert!(in_time.is_ok(), "{in_time:?}");
    let go = hold_computations(&state);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let status = client.waiting("100m", request(0.0)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(status.message(), "the deadline of the call has passed");
    drop(go);
    let status = client.waiting("0n", request(0.0)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    let status = client.waiting("soon", request(0.0)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn calls_that_run_are_answered_when_the_server_stops() {
    let Running {
        state,
        address,
        stop,
        run,
    } = running().await;
    let go = hold_computations(&state);
    let mut client = Client::connect(address).await;
    let call = tokio::spawn(async move { client.infer(request(0.0)).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    stop.cancel();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let refused = tokio::net::TcpStream::connect(address).await;
    assert!(refused.is_err(), "it still takes connections");
    assert!(!run.is_finished(), "a call runs");
    drop(go);
    assert!(call.await.unwrap().is_ok());
    assert!(timeout(SOON, run).await.is_ok(), "it does not end");
}

#[tokio::test(start_paused = true)]
async fn a_connection_ends_politely_when_it_is_old() {
    let state = state();
    state.answer_with(model(5));
    let (near, far) = tokio::io::duplex(1 << 16);
    let life = Door::new(None, CONNECTIONS).life();
    tokio::spawn(serve(far, life, Shared::new(state, Shutdown::new())));
    let (mut client, mut ended) = Client::on(near).await;
    let begin = tokio::time::Instant::now();
    for _ in 0..50 {
        client.infer(request(0.0)).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(!ended.is_finished());
    let politely = timeout(Duration::from_secs(30), &mut ended).await;
    assert!(politely.unwrap().unwrap().is_ok(), "cut off");
    let age = begin.elapsed().as_secs();
    assert!((59..=75).contains(&age), "{age}");
}

#[tokio::test]
async fn without_a_key_only_liveness_and_readiness_answer() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), "one").unwrap();
    let mut state = logging();
    state.log = None;
    state.access = Access::Keys(Keys::open(folder.path().into()).unwrap());
    state.answer_with(following(5));
    let Running { address, .. } = serving(Arc::new(state));
    let mut client = Client::connect(address).await;
    let live: Flag = client.ask("ServerLive", Empty {}).await.unwrap();
    let ready: Flag = client.ask("ServerReady", Empty {}).await.unwrap();
    assert!(live.value && ready.value);
    let health = HealthCheckRequest::default();
    let path = "/grpc.health.v1.Health/Check";
    let health = client.call::<HealthCheckResponse>(path, health).await;
    assert!(health.is_ok());
    for method in [
        "ServerMetadata",
        "ModelMetadata",
        "ModelReady",
        "ModelInfer",
        "Nothing",
    ] {
        let refused = client.ask::<Empty>(method, Empty {}).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{method}");
    }
    let wrong = client
        .with_header("authorization", "Bearer two", request(0.0))
        .await;
    assert_eq!(wrong.unwrap_err().code(), Code::Unauthenticated);
    let right = client
        .with_header("authorization", "Bearer one", request(0.0))
        .await;
    assert!(right.is_ok(), "{right:?}");
}
