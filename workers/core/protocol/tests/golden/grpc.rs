//! Open Inference v2 over gRPC. Bytes in hexadecimal are those that `tritonclient` sends, and that Google's implementation of
//! Protocol Buffers writes for these answers.

use std::collections::HashMap;

use foresail_protocol::oip::grpc::{Asked, Method, ask};
use foresail_protocol::{Code, Failure, Models};
use prost::Message;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::messages::{
    Empty, Flag, HealthCheckRequest, HealthCheckResponse, InferParameter,
    InferRequestedOutputTensor, InferTensorContents, ModelInferRequest, ModelInferResponse,
    ModelMetadataResponse, ModelRequest, ServerMetadataResponse, fp32, input, raw,
};
use super::{model, models, rich, signature, unready};

const SERVICE: &str = "/inference.GRPCInferenceService";

/// The message that answers a call.
fn call(models: &Models, path: &str, message: &[u8]) -> Result<Vec<u8>, Failure> {
    match ask(Method::of(path)?, message, models)? {
        Asked::Answer(answer) => Ok(answer),
        Asked::Infer(infer) => {
            let version = models.version(infer.version.into()).unwrap();
            let call = infer.read(&version.signature, message)?;
            let outputs = model(&version.signature, infer.version, &call.windows);
            Ok(infer.write(&call.form, &outputs))
        }
    }
}

/// The same with messages of another implementation.
fn exchange<A: Message + Default>(
    models: &Models,
    method: &str,
    message: &impl Message,
) -> Result<A, (Code, String)> {
    let path = format!("{SERVICE}/{method}");
    let answer = call(models, &path, &message.encode_to_vec());
    let answer = answer.map_err(|failure| (failure.code, failure.message))?;
    Ok(A::decode(&*answer).unwrap())
}

fn infer(
    models: &Models,
    request: &ModelInferRequest,
) -> Result<ModelInferResponse, (Code, String)> {
    exchange(models, "ModelInfer", request)
}

fn hex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

/// A request for one window of six typed values.
fn typed() -> ModelInferRequest {
    ModelInferRequest {
        model_name: "m".into(),
        inputs: vec![input("x", "FP32", &[1, 2, 3], fp32(&[0.0; 6]))],
        ..ModelInferRequest::default()
    }
}

/// The same with raw values.
fn untyped(values: &[f32]) -> ModelInferRequest {
    ModelInferRequest {
        model_name: "m".into(),
        inputs: vec![input("x", "FP32", &[1, 2, 3], None)],
        raw_input_contents: vec![raw(values)],
        ..ModelInferRequest::default()
    }
}

fn at(name: &str, version: &str) -> ModelRequest {
    ModelRequest {
        name: name.into(),
        version: version.into(),
    }
}

#[test]
fn bytes_of_other_implementations_are_read_and_written() {
    let (plain, rich) = (models(signature()), models(rich()));
    let of_triton = "0a016d1a02343222080a016112031a01622a0e0a01781204465033321a0301020332030a01793a180000803f0000004000004040000080400000a0400000c040";
    let of_google = "0a016d1201362a2c0a01781205494e5436341a030102032a1b1a1900ffffffffffffffffff0102ac02fcffffffffffffffff0105";
    for (models, method, request, answer) in [
        (
            &plain,
            "ModelInfer",
            of_triton,
            "0a016d1201371a0234322a0d0a01791204465033321a02010232080000ac410000b441",
        ),
        (
            &plain,
            "ModelInfer",
            of_google,
            "0a016d1201362a190a01791204465033321a0201022a0a32080040c94300c0c943",
        ),
        (
            &rich,
            "ModelMetadata",
            "0a016d",
            "0a016d1201361201371a0d6275726e5f666f72657361696c221a0a05636c6f73651204465033321a0bffffffffffffffffff010222170a01781204465033321a0cffffffffffffffffff0102032a160a01791204465033321a0bffffffffffffffffff01022a1f0a097175616e74696c65731204465033321a0cffffffffffffffffff010202",
        ),
        (&plain, "ServerReady", "", "0801"),
        (&plain, "ModelReady", "0a016d120137", "0801"),
    ] {
        let path = format!("{SERVICE}/{method}");
        let found = call(models, &path, &hex(request)).unwrap();
        let expected = hex(answer);
        assert_eq!(found, expected, "{method} {request}: {found:02x?}");
    }
}

#[test]
fn the_server_and_the_model_are_described() {
    let models = models(rich());
    let live = exchange(&models, "ServerLive", &Empty {});
    assert_eq!(live, Ok(Flag { value: true }));
    let server = ServerMetadataResponse {
        name: "foresail".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        extensions: vec!["binary_tensor_data".into()],
    };
    assert_eq!(exchange(&models, "ServerMetadata", &Empty {}), Ok(server));
    let mut metadata = ModelMetadataResponse {
        name: "m".into(),
        versions: vec!["6".into(), "7".into()],
        platform: "burn_foresail".into(),
        inputs: vec![
            input("close", "FP32", &[-1, 2], None),
            input("x", "FP32", &[-1, 2, 3], None),
        ],
        outputs: vec![
            input("y", "FP32", &[-1, 2], None),
            input("quantiles", "FP32", &[-1, 2, 2], None),
        ],
    };
    let found = exchange(&models, "ModelMetadata", &at("m", ""));
    assert_eq!(found, Ok(metadata.clone()));
    metadata.versions = vec!["6".into()];
    let found = exchange(&models, "ModelMetadata", &at("m", "6"));
    assert_eq!(found, Ok(metadata));
}

#[test]
fn a_server_without_a_version_lives_and_is_not_ready() {
    let (ready, unready) = (models(signature()), unready());
    let flag = |models: &Models, method: &str, message: ModelRequest| {
        exchange(models, method, &message).map(|Flag { value }| value)
    };
    assert_eq!(flag(&unready, "ServerLive", at("", "")), Ok(true));
    assert_eq!(flag(&unready, "ServerReady", at("", "")), Ok(false));
    assert_eq!(flag(&unready, "ModelReady", at("m", "")), Ok(false));
    assert_eq!(flag(&ready, "ModelReady", at("m", "6")), Ok(true));
    let not_ready = "Model with name m is not ready.".to_owned();
    let refused = infer(&unready, &typed());
    assert_eq!(refused, Err((Code::Unavailable, not_ready)));
    let health = |models: &Models, service: &str| {
        let service = service.to_owned();
        let message = HealthCheckRequest { service }.encode_to_vec();
        let answer = call(models, "/grpc.health.v1.Health/Check", &message)?;
        Ok::<i32, Failure>(HealthCheckResponse::decode(&*answer).unwrap().status)
    };
    for service in ["", "inference.GRPCInferenceService"] {
        assert_eq!(health(&ready, service), Ok(1));
        assert_eq!(health(&unready, service), Ok(2));
    }
    assert_eq!(health(&ready, "other").unwrap_err().code, Code::NotFound);
}

#[test]
fn values_are_typed_or_raw_and_answers_are_as_their_requests() {
    let models = models(signature());
    let contents = |set: &dyn Fn(&mut InferTensorContents)| {
        let mut contents = InferTensorContents::default();
        set(&mut contents);
        Some(contents)
    };
    for (datatype, contents) in [
        ("FP32", fp32(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])),
        (
            "FP64",
            contents(&|c| c.fp64_contents = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
        ),
        (
            "INT8",
            contents(&|c| c.int_contents = vec![-1, 2, 3, 4, 5, 8]),
        ),
        (
            "INT16",
            contents(&|c| c.int_contents = vec![-300, 2, 3, 4, 5, 307]),
        ),
        (
            "INT32",
            contents(&|c| c.int_contents = vec![-70_000, 2, 3, 4, 5, 70_007]),
        ),
        (
            "INT64",
            contents(&|c| c.int64_contents = vec![-70_000, 2, 3, 4, 5, 70_007]),
        ),
        (
            "UINT8",
            contents(&|c| c.uint_contents = vec![1, 2, 3, 4, 5, 6]),
        ),
        (
            "UINT32",
            contents(&|c| c.uint_contents = vec![1, 2, 3, 4, 5, 6]),
        ),
        (
            "UINT64",
            contents(&|c| c.uint64_contents = vec![1, 2, 3, 4, 5, 6]),
        ),
    ] {
        let mut request = typed();
        request.id = "42".into();
        request.inputs = vec![input("x", datatype, &[1, 2, 3], contents)];
        let found = infer(&models, &request).unwrap();
        let expected = ModelInferResponse {
            model_name: "m".into(),
            model_version: "7".into(),
            id: "42".into(),
            outputs: vec![input("y", "FP32", &[1, 2], fp32(&[21.5, 22.5]))],
            raw_output_contents: vec![],
        };
        assert_eq!(found, expected, "{datatype}");
    }
    let found = infer(&models, &untyped(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])).unwrap();
    assert_eq!(found.outputs, [input("y", "FP32", &[1, 2], None)]);
    assert_eq!(found.raw_output_contents, [raw(&[21.5, 22.5])]);
    // Half floats have no typed list.
    let mut request = untyped(&[]);
    request.inputs[0].datatype = "FP16".into();
    request.raw_input_contents = vec![[0x3c00_u16; 6].map(u16::to_le_bytes).concat()];
    let found = infer(&models, &request).unwrap();
    assert_eq!(found.raw_output_contents, [raw(&[6.5, 7.5])]);
}

#[test]
fn outputs_are_those_asked_for_and_parameters_are_ignored() {
    let parameter = InferParameter {
        bool_param: Some(true),
        string_param: None,
    };
    let parameters = HashMap::from([("binary_data".to_owned(), parameter)]);
    for (asked, expected) in [
        (&[][..], vec!["y", "quantiles"]),
        (&["quantiles"], vec!["quantiles"]),
        (&["quantiles", "y", "y"], vec!["quantiles", "y"]),
    ] {
        let mut request = typed();
        let mut close = input("close", "FP32", &[1, 2], fp32(&[1.0, 2.0]));
        close.parameters = parameters.clone();
        request.inputs.push(close);
        request.parameters = parameters.clone();
        request.outputs = asked
            .iter()
            .map(|name| InferRequestedOutputTensor {
                name: (*name).into(),
                parameters: parameters.clone(),
            })
            .collect();
        let found = infer(&models(rich()), &request).unwrap();
        let names: Vec<&str> = found.outputs.iter().map(|o| o.name.as_str()).collect();
        assert_eq!(names, expected);
        let quantiles = found.outputs.iter().find(|o| o.name == "quantiles");
        let quantiles = quantiles.unwrap();
        assert_eq!(quantiles.shape, [1, 2, 2]);
        assert_eq!(quantiles.contents, fp32(&[3.6, 4.4, 4.6, 5.4]));
    }
}

#[test]
fn calls_that_are_not_served_are_refused() {
    let no_model = "Request for unknown model: 'z' is not found";
    let no_version = "Request for unknown model: 'm' version 99 is not found";
    let no_number = "failed to get model version from specified version string 'x', version should be an integer value > 0";
    for (method, message, code, text) in [
        ("ModelReady", at("z", ""), Code::NotFound, no_model),
        ("ModelReady", at("m", "99"), Code::NotFound, no_version),
        ("ModelMetadata", at("z", ""), Code::NotFound, no_model),
        (
            "ModelMetadata",
            at("m", "x"),
            Code::InvalidArgument,
            no_number,
        ),
        ("ModelInfer", at("z", ""), Code::NotFound, no_model),
        ("ModelInfer", at("m", "99"), Code::NotFound, no_version),
        (
            "RepositoryModelLoad",
            at("", "m"),
            Code::Unimplemented,
            "models are not loaded by request: the Pipeline says which versions are served",
        ),
        (
            "RepositoryModelUnload",
            at("", "m"),
            Code::Unimplemented,
            "models are not unloaded by request: the Pipeline says which versions are served",
        ),
        (
            "ModelStreamInfer",
            at("m", ""),
            Code::Unimplemented,
            "this method is not served",
        ),
        (
            "ModelReady",
            at(&"n".repeat(257), ""),
            Code::InvalidArgument,
            "failed to parse the request message: a name of more than 256 bytes",
        ),
    ] {
        let refused = exchange::<Empty>(&models(signature()), method, &message);
        assert_eq!(refused, Err((code, text.to_owned())), "{method}");
    }
    for path in ["", "/", "/other.Service/ModelInfer", "ServerLive"] {
        let refused = call(&models(signature()), path, &[]).unwrap_err();
        assert_eq!(refused.code, Code::Unimplemented, "{path}");
    }
    for method in ["ServerLive", "ModelInfer"] {
        let path = format!("{SERVICE}/{method}");
        assert_eq!(Method::of(&path).unwrap().path(), path);
    }
}

#[test]
fn messages_that_cannot_be_used_are_refused() {
    let zeros = || fp32(&[0.0; 6]);
    let one = |datatype: &str, shape: &[i64], contents: Option<InferTensorContents>| {
        vec![input("x", datatype, shape, contents)]
    };
    let number = |value: i32| {
        Some(InferTensorContents {
            int_contents: vec![value; 6],
            ..InferTensorContents::default()
        })
    };
    let both = zeros().map(|contents| InferTensorContents {
        int_contents: vec![1],
        ..contents
    });
    let word = Some(InferTensorContents {
        bytes_contents: vec![b"a".to_vec()],
        ..InferTensorContents::default()
    });
    let unexpected = "unexpected explicit tensor data for input tensor 'x' for model 'm'";
    let size = "unexpected size for input 'x': its shape does not hold";
    for (inputs, message) in [
        (
            vec![],
            "missing inference input 'x' for model 'm'".to_owned(),
        ),
        (
            one("", &[1], zeros()),
            "inference input 'x' data-type is '', but model 'm' expects 'FP32'".into(),
        ),
        (
            one("BYTES", &[1], word.clone()),
            "inference input 'x' data-type is 'BYTES', but model 'm' expects 'FP32'".into(),
        ),
        (
            one("BOOL", &[1], zeros()),
            "inference input 'x' data-type is 'BOOL', but model 'm' expects 'FP32'".into(),
        ),
        (
            one("FP32", &[1, 2, 3], fp32(&[1.0, 2.0])),
            format!("{size} 2 values for model 'm'"),
        ),
        (
            one("FP32", &[1, 2, 3], fp32(&[])),
            format!("{size} 0 values for model 'm'"),
        ),
        (
            one("FP32", &[1 << 32, 1 << 32, 1 << 32], fp32(&[1.0])),
            format!("{size} 1 values for model 'm'"),
        ),
        (
            one("FP32", &[-1, 2, 3], zeros()),
            "input 'x' has a shape with a negative size: -1".into(),
        ),
        (
            one("FP32", &[1; 9], fp32(&[1.0])),
            "Unable to parse 'shape': more than 8 dimensions are not read".into(),
        ),
        (
            one("FP32", &[2, 3], zeros()),
            "unexpected shape for input 'x' for model 'm'. Expected [-1,2,3], got [2,3]".into(),
        ),
        (
            one("FP32", &[0, 2, 3], fp32(&[])),
            "the request holds no window".into(),
        ),
        (
            one("FP32", &[1, 2, 3], fp32(&[f32::INFINITY; 6])),
            "input 'x' holds a value that is not finite".into(),
        ),
        (
            one("FP32", &[1, 2, 3], None),
            "unable to find data for input tensor 'x' for model 'm' in request.".into(),
        ),
        (
            one("FP32", &[1, 2, 3], number(1)),
            format!("{unexpected} of type 'INT32', expected datatype 'FP32'"),
        ),
        (
            one("FP16", &[1, 2, 3], zeros()),
            format!("{unexpected} of type 'FP32', expected datatype 'FP16'"),
        ),
        (
            one("FP32", &[1, 2, 3], word),
            format!("{unexpected} of type 'BYTES', expected datatype 'FP32'"),
        ),
        (
            one("FP32", &[1, 2, 3], both),
            format!("{unexpected}, binary data was already supplied."),
        ),
        (
            [
                one("FP32", &[1, 2, 3], zeros()),
                vec![input("z", "FP32", &[1], fp32(&[1.0]))],
            ]
            .concat(),
            "unexpected inference input 'z' for model 'm'".into(),
        ),
        (
            vec![input("x", "FP32", &[1], fp32(&[1.0])); 1_025],
            "Unable to parse 'inputs': more than 1024 are not read".into(),
        ),
    ] {
        let request = ModelInferRequest { inputs, ..typed() };
        let refused = infer(&models(signature()), &request);
        assert_eq!(refused, Err((Code::InvalidArgument, message)));
    }
}

#[test]
fn other_parts_of_a_request_are_refused_too() {
    let wish = InferRequestedOutputTensor {
        name: "z".into(),
        ..InferRequestedOutputTensor::default()
    };
    for (request, message) in [
        (
            ModelInferRequest {
                outputs: vec![wish.clone()],
                ..typed()
            },
            "unexpected inference output 'z' for model 'm'",
        ),
        (
            ModelInferRequest {
                outputs: vec![wish; 1_025],
                ..typed()
            },
            "Unable to parse 'outputs': more than 1024 are not read",
        ),
        (
            ModelInferRequest {
                id: "i".repeat(257),
                ..typed()
            },
            "failed to parse the request message: a name of more than 256 bytes",
        ),
        (
            untyped(&[0.0; 5]),
            "unexpected size for input 'x', expecting 24 bytes for model 'm'",
        ),
        (
            ModelInferRequest {
                raw_input_contents: vec![raw(&[0.0; 6]), vec![]],
                ..untyped(&[])
            },
            "unexpected additional input data for model 'm'",
        ),
        (
            ModelInferRequest {
                raw_input_contents: vec![raw(&[0.0; 6])],
                ..typed()
            },
            "contents field must not be specified when using raw_input_contents for 'x' for model 'm'",
        ),
        (
            ModelInferRequest {
                raw_input_contents: vec![vec![]; 1_025],
                ..untyped(&[])
            },
            "Unable to parse 'raw_input_contents': more than 1024 are not read",
        ),
    ] {
        let refused = infer(&models(signature()), &request);
        let message = message.to_owned();
        assert_eq!(refused, Err((Code::InvalidArgument, message)));
    }
}

/// Changes some bytes, or the length of the message.
fn damage(random: &mut ChaCha8Rng, bytes: &mut Vec<u8>) {
    for _ in 0..random.random_range(1..4) {
        let at = random.random_range(0..bytes.len().max(1)).min(bytes.len());
        match random.random_range(0..4) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, random.random()),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            _ if at < bytes.len() => bytes[at] = random.random(),
            _ => {}
        }
    }
}

#[test]
fn damaged_messages_are_answered_or_refused() {
    let mut random = ChaCha8Rng::seed_from_u64(20);
    let models = models(signature());
    let mut packed = typed();
    packed.id = "42".into();
    packed.parameters = HashMap::from([("a".into(), InferParameter::default())]);
    packed.inputs[0] = input("x", "INT64", &[1, 2, 3], None);
    packed.inputs[0].contents = Some(InferTensorContents {
        int64_contents: vec![1, -2, 300, 4, 5, 6],
        ..InferTensorContents::default()
    });
    let good = [typed(), untyped(&[1.0; 6]), packed];
    let (mut answered, mut refused) = (0, 0);
    for round in 0..15_000 {
        let mut bytes = good[round % good.len()].encode_to_vec();
        damage(&mut random, &mut bytes);
        let path = format!("{SERVICE}/ModelInfer");
        match call(&models, &path, &bytes) {
            Ok(answer) => {
                ModelInferResponse::decode(&*answer).unwrap();
                // Where another implementation reads the message too, it reads the same from it.
                if let Ok(same) = ModelInferRequest::decode(&*bytes) {
                    let again = call(&models, &path, &same.encode_to_vec());
                    assert_eq!(again, Ok(answer), "{bytes:02x?}");
                }
                answered += 1;
            }
            Err(failure) => {
                let codes = [Code::InvalidArgument, Code::NotFound];
                assert!(codes.contains(&failure.code), "{failure:?}");
                refused += 1;
            }
        }
    }
    assert!(answered > 500 && refused > 5_000, "{answered} {refused}");
}
