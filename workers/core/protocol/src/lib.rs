//! The protocols that clients of other servers speak, byte by byte and without a connection: TensorFlow Serving REST and
//! KServe v1 ([`tfs`]), Open Inference v2 over REST ([`oip`]) and gRPC ([`oip::grpc`]), and the scoring server of MLflow
//! ([`mlflow`]). The predictor asks [`ask`] what a request wants and keeps to itself what a model computes.

mod answer;
mod ask;
mod json;
pub mod limits;
pub mod mlflow;
mod models;
pub mod oip;
mod path;
mod signature;
mod tensor;
pub mod tfs;
mod windows;

pub use answer::{Answer, Code, Failure};
pub use ask::{Asked, Form, Infer, Protocol, ask, protocol};
pub use models::{Models, Version};
pub use signature::{Signature, Spec};
pub use tensor::Tensor;
pub use windows::{Call, Outputs, Windows};
