//! The messages that go back.

use super::wire::Message;
use crate::oip::describe::{EXTENSIONS, PLATFORM, SERVER};
use crate::oip::document::Form;
use crate::oip::write::wanted;
use crate::signature::{Signature, Spec};
use crate::tensor::Tensor;
use crate::windows::Outputs;

/// One boolean: whether something is live or ready.
pub(super) fn flag(value: bool) -> Vec<u8> {
    let mut message = Message::default();
    message.varint(1, u64::from(value));
    message.0
}

/// `SERVING` or `NOT_SERVING`.
pub(super) fn health(serving: bool) -> Vec<u8> {
    let mut message = Message::default();
    message.varint(1, if serving { 1 } else { 2 });
    message.0
}

/// What the server is.
pub(super) fn server() -> Vec<u8> {
    let mut message = Message::default();
    message.bytes(1, SERVER.as_bytes());
    message.bytes(2, env!("CARGO_PKG_VERSION").as_bytes());
    for extension in EXTENSIONS {
        message.bytes(3, extension.as_bytes());
    }
    message.0
}

/// What a version takes and gives.
pub(super) fn metadata(model: &str, numbers: &[String], signature: &Signature) -> Vec<u8> {
    let mut message = Message::default();
    message.bytes(1, model.as_bytes());
    for number in numbers {
        message.bytes(2, number.as_bytes());
    }
    message.bytes(3, PLATFORM.as_bytes());
    let mut tensors = |field: u8, specs: Vec<Spec>| {
        for spec in specs {
            message.nested(field, |tensor| head(tensor, spec.name, &spec.shape));
        }
    };
    tensors(4, signature.inputs());
    tensors(5, signature.outputs());
    message.0
}

/// Name, datatype and shape, which have the same numbers wherever a tensor is described.
fn head(tensor: &mut Message, name: &str, shape: &[i64]) {
    tensor.bytes(1, name.as_bytes());
    tensor.bytes(2, b"FP32");
    tensor.integers(3, shape);
}

/// The answer of a model and version: outputs are raw when the inputs were.
pub(super) fn infer((model, version): (&str, u32), form: &Form, outputs: &Outputs) -> Vec<u8> {
    let mut message = Message::default();
    message.bytes(1, model.as_bytes());
    message.bytes(2, version.to_string().as_bytes());
    message.bytes(3, form.id.as_deref().unwrap_or_default().as_bytes());
    let wanted = wanted(form, outputs);
    for (name, tensor, is_raw) in &wanted {
        message.nested(5, |output| {
            head(output, name, &sizes(tensor));
            if !is_raw {
                output.nested(5, |contents| contents.floats(6, tensor.values()));
            }
        });
    }
    for (_, tensor, _) in wanted.iter().filter(|(_, _, is_raw)| *is_raw) {
        message.floats(6, tensor.values());
    }
    message.0
}

fn sizes(tensor: &Tensor) -> Vec<i64> {
    let sizes = tensor.shape().iter();
    sizes
        .map(|size| i64::try_from(*size).unwrap_or(i64::MAX))
        .collect()
}
