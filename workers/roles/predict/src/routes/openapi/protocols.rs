//! The protocols of other servers in the document. Their wire is a contract, so it stands here in words and is compared with
//! real answers; nothing of it follows from types of Rust.

mod schemas;

use serde_json::{Value, json};

use self::schemas::{reference, schemas};

const KSERVE: &str = "TensorFlow Serving and KServe v1";
const OIP: &str = "Open Inference v2";
const MLFLOW: &str = "MLflow";

/// One operation.
struct Operation {
    method: &'static str,
    path: &'static str,
    tag: &'static str,
    summary: &'static str,
    /// Names of the schemas of the body that is taken, of the answer, and of refusals; an empty answer is plain text.
    schemas: (Option<&'static str>, &'static str, &'static str),
}

const fn get(
    path: &'static str,
    tag: &'static str,
    summary: &'static str,
    answer: &'static str,
) -> Operation {
    Operation {
        method: "get",
        path,
        tag,
        summary,
        schemas: (None, answer, "ProtocolError"),
    }
}

const fn post(
    path: &'static str,
    tag: &'static str,
    schemas: (&'static str, &'static str, &'static str),
) -> Operation {
    Operation {
        method: "post",
        path,
        tag,
        summary: "Forecasts of windows in the request",
        schemas: (Some(schemas.0), schemas.1, schemas.2),
    }
}

const TFS_SCHEMAS: (&str, &str, &str) = ("PredictRequest", "PredictAnswer", "ProtocolError");
const OIP_SCHEMAS: (&str, &str, &str) = ("InferRequest", "InferAnswer", "ProtocolError");

const OPERATIONS: [Operation; 24] = [
    post("/v1/models/{model}:predict", KSERVE, TFS_SCHEMAS),
    post(
        "/v1/models/{model}/versions/{version}:predict",
        KSERVE,
        TFS_SCHEMAS,
    ),
    post(
        "/v1/models/{model}/labels/{label}:predict",
        KSERVE,
        TFS_SCHEMAS,
    ),
    get("/v1/models", KSERVE, "Name of the model", "ModelNames"),
    get(
        "/v1/models/{model}",
        KSERVE,
        "Whether the model is ready, and its versions",
        "ModelStatus",
    ),
    get(
        "/v1/models/{model}/versions/{version}",
        KSERVE,
        "Whether a version is available",
        "ModelStatus",
    ),
    get(
        "/v1/models/{model}/labels/{label}",
        KSERVE,
        "Whether the version of a label is available",
        "ModelStatus",
    ),
    get(
        "/v1/models/{model}/metadata",
        KSERVE,
        "Inputs and outputs",
        "ModelMetadata",
    ),
    get(
        "/v1/models/{model}/versions/{version}/metadata",
        KSERVE,
        "Inputs and outputs of a version",
        "ModelMetadata",
    ),
    get(
        "/v1/models/{model}/labels/{label}/metadata",
        KSERVE,
        "Inputs and outputs of the version of a label",
        "ModelMetadata",
    ),
    get(
        "/v2",
        OIP,
        "Name and extensions of the server",
        "ServerMetadata",
    ),
    get(
        "/v2/health/live",
        OIP,
        "Whether the server lives",
        "ServerLive",
    ),
    get(
        "/v2/health/ready",
        OIP,
        "Whether a version is loaded",
        "ServerReady",
    ),
    get("/v2/models", OIP, "Name of the model", "ModelNames"),
    get(
        "/v2/models/{model}",
        OIP,
        "Versions, inputs and outputs",
        "TensorMetadata",
    ),
    get(
        "/v2/models/{model}/ready",
        OIP,
        "Whether the model is ready",
        "ModelReady",
    ),
    get(
        "/v2/models/{model}/versions/{version}",
        OIP,
        "Inputs and outputs of a version",
        "TensorMetadata",
    ),
    get(
        "/v2/models/{model}/versions/{version}/ready",
        OIP,
        "Whether a version is ready",
        "ModelReady",
    ),
    post("/v2/models/{model}/infer", OIP, OIP_SCHEMAS),
    post(
        "/v2/models/{model}/versions/{version}/infer",
        OIP,
        OIP_SCHEMAS,
    ),
    post(
        "/invocations",
        MLFLOW,
        ("InvocationRequest", "InvocationAnswer", "InvocationError"),
    ),
    Operation {
        schemas: (None, "", "InvocationError"),
        ..get("/ping", MLFLOW, "Whether a version is loaded", "")
    },
    Operation {
        schemas: (None, "", "InvocationError"),
        ..get("/health", MLFLOW, "Whether a version is loaded", "")
    },
    Operation {
        schemas: (None, "", "InvocationError"),
        ..get("/version", MLFLOW, "Version of the program", "")
    },
];

/// Adds the operations, their schemas and tags to a document.
pub(super) fn describe(document: &mut Value) {
    for operation in OPERATIONS {
        document["paths"][operation.path][operation.method] = described(&operation);
    }
    for (name, schema) in schemas() {
        document["components"]["schemas"][name] = schema;
    }
    if let Some(tags) = document["tags"].as_array_mut() {
        for tag in [KSERVE, OIP, MLFLOW] {
            tags.push(json!({"name": tag, "description": "Forecasts from windows of feature rows in the request"}));
        }
    }
}

fn described(operation: &Operation) -> Value {
    let (request, answer, refusal) = operation.schemas;
    let content = |schema: &str| json!({"application/json": {"schema": reference(schema)}});
    let refused =
        |description: &str| json!({"description": description, "content": content(refusal)});
    let names = operation.path.split(['{', '}']).skip(1).step_by(2);
    let parameters: Vec<Value> = names.map(parameter).collect();
    let id: String = [operation.method, operation.path].concat();
    let id = id.replace(|sign: char| !sign.is_ascii_alphanumeric(), "_");
    let answered = match answer {
        "" => json!({"text/plain": {"schema": {"type": "string"}}}),
        answer => content(answer),
    };
    let mut ok = json!({"description": operation.summary, "content": answered});
    let mut described = json!({
        "tags": [operation.tag],
        "summary": operation.summary,
        "operationId": id,
        "parameters": parameters,
        "responses": {
            "400": refused("What is wrong, in the words of the protocol"),
            "404": refused("No such model or version"),
            "503": refused("Not ready, or too busy; Retry-After says when to come again"),
        },
    });
    if let Some(request) = request {
        let example = example(request);
        described["requestBody"] = json!({
            "required": true,
            "content": {"application/json": {"schema": reference(request), "example": example}},
        });
        ok["headers"] = json!({
            "X-Foresail-Model-Version": {"description": "Version that answered", "schema": {"type": "integer"}},
            "X-Foresail-Prediction-Id": {"description": "Identity of the answer", "schema": {"type": "string"}},
        });
        for (status, cause) in [
            ("408", "The body came too slowly"),
            ("413", "The body is larger than 2 MiB"),
            ("415", "The body is packed"),
            ("500", "The model gives no finite result"),
        ] {
            described["responses"][status] = refused(cause);
        }
    }
    described["responses"]["200"] = ok;
    described
}

fn parameter(name: &str) -> Value {
    let (description, schema) = match name {
        "version" => (
            "Number of a loaded version",
            json!({"type": "integer", "minimum": 0}),
        ),
        "label" => (
            "Label of a version",
            json!({"type": "string", "enum": ["champion", "previous"]}),
        ),
        _ => ("Name of the Pipeline", json!({"type": "string"})),
    };
    json!({"name": name, "in": "path", "required": true, "description": description, "schema": schema})
}

/// A window of one row of one feature.
fn example(request: &str) -> Value {
    match request {
        "PredictRequest" => json!({"instances": [[[0.012]]]}),
        "InferRequest" => json!({
            "id": "42",
            "inputs": [{"name": "x", "shape": [1, 1, 1], "datatype": "FP32", "data": [0.012]}],
            "outputs": [{"name": "y"}],
        }),
        _ => json!({"inputs": {"x": [[[0.012]]]}}),
    }
}
