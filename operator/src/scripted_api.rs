//! An API server for tests: answers from a table of objects, remembers every request, and refuses those
//! a test names. No cluster, no port.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use foresail_runtime_base::effects::Effects;
use foresail_runtime_base::metrics::Registry;
use http::{Method, Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tower_test::mock;

use crate::context::{Context, Images};
use crate::metrics::Metrics;

/// What becomes of a refused request.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// An answer with this code.
    Code(u16),
    /// An answer with this code and these words.
    Says(u16, &'static str),
    /// The connection breaks.
    Broken,
}

/// One write as it arrived.
#[derive(Clone, Debug)]
pub struct Write {
    /// Verb, and path below the namespace: `PATCH deployments/p-lake`.
    pub what: String,
    /// Content.
    pub body: Value,
}

/// The server; clones share the table.
#[derive(Clone, Default)]
pub struct Server(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    /// Objects by path below the namespace: `deployments/p-lake`.
    objects: BTreeMap<String, Value>,
    writes: Vec<Write>,
    reads: Vec<String>,
    faults: Vec<(String, Fault)>,
    version: u64,
}

type Answer = (u16, Value);

impl Server {
    /// A server, and a client that talks to it.
    pub fn start() -> (Self, Client) {
        let (service, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
        let server = Self::default();
        let answering = server.clone();
        tokio::spawn(async move {
            while let Some((request, send)) = handle.next_request().await {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await.unwrap();
                let call = Call::new(&parts, &body);
                match answering.table().answer(&call) {
                    Ok((code, answer)) => send.send_response(
                        Response::builder()
                            .status(code)
                            .body(Body::from(answer.to_string().into_bytes()))
                            .unwrap(),
                    ),
                    Err(reason) => send.send_error(reason),
                }
            }
        });
        (server, Client::new(service, "n"))
    }

    /// A server, and what reconciles that ask it need.
    pub fn with_context() -> (Self, Context) {
        foresail_runtime_base::init("test");
        let (server, client) = Self::start();
        let images = Images {
            worker: "w:1".into(),
            trainer: "t:1".into(),
            pull_policy: "IfNotPresent".into(),
        };
        let registry = Registry::default();
        let (effects, metrics) = (Effects::new(&registry, None), Metrics::new(&registry));
        let context = Context::new(client, images, "test", effects, metrics).unwrap();
        (server, context)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap()
    }

    /// Stores an object as it is.
    pub fn put(&self, path: &str, object: Value) {
        self.table().store(path, object);
    }

    /// The object, or null.
    pub fn get(&self, path: &str) -> Value {
        self.table().objects.get(path).cloned().unwrap_or_default()
    }

    /// Removes an object behind the operator's back.
    pub fn remove(&self, path: &str) {
        self.table().objects.remove(path);
    }

    /// Paths of all objects of one kind.
    pub fn paths(&self, kind: &str) -> Vec<String> {
        let table = self.table();
        let prefix = format!("{kind}/");
        let paths = table.objects.keys();
        paths.filter(|p| p.starts_with(&prefix)).cloned().collect()
    }

    /// Changes an object behind the operator's back.
    pub fn edit(&self, path: &str, change: impl FnOnce(&mut Value)) {
        let mut object = self.get(path);
        change(&mut object);
        self.put(path, object);
    }

    /// Refuses every request that starts so, for example `PATCH deployments/`.
    pub fn refuse(&self, what: &str, fault: Fault) {
        self.table().faults.push((what.into(), fault));
    }

    /// Refuses nothing any more.
    pub fn accept(&self) {
        self.table().faults.clear();
    }

    /// Writes since the last call, refused ones included.
    pub fn take_writes(&self) -> Vec<Write> {
        std::mem::take(&mut self.table().writes)
    }

    /// Reads since the last call, refused ones included: `GET pods`.
    pub fn take_reads(&self) -> Vec<String> {
        std::mem::take(&mut self.table().reads)
    }

    /// The writes without their content, and without Events.
    pub fn take_write_names(&self) -> Vec<String> {
        let names = self.take_writes().into_iter().map(|write| write.what);
        names.filter(|w| !w.contains(" events")).collect()
    }
}

/// A request, taken apart.
struct Call {
    method: Method,
    path: String,
    query: BTreeMap<String, String>,
    apply: bool,
    body: Value,
}

impl Call {
    fn new(parts: &http::request::Parts, body: &[u8]) -> Self {
        let full = parts.uri.path();
        let path = full.split_once("/namespaces/n/").map_or(full, |(_, p)| p);
        let query = parts.uri.query().unwrap_or_default();
        let kind = parts.headers.get(http::header::CONTENT_TYPE);
        Self {
            method: parts.method.clone(),
            path: path.into(),
            query: url::form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            apply: kind.is_some_and(|k| k.to_str().unwrap().contains("apply-patch")),
            body: serde_json::from_slice(body).unwrap_or_default(),
        }
    }

    /// The object, without the subresource.
    fn object(&self) -> &str {
        self.path.strip_suffix("/status").unwrap_or(&self.path)
    }
}

impl Table {
    fn answer(&mut self, call: &Call) -> Result<Answer, String> {
        let what = format!("{} {}", call.method, call.path);
        if call.method == Method::GET {
            self.reads.push(what.clone());
        } else {
            self.writes.push(Write {
                what: what.clone(),
                body: call.body.clone(),
            });
        }
        let fault = self
            .faults
            .iter()
            .find(|(start, _)| what.starts_with(start));
        match fault {
            Some((_, Fault::Code(code))) => return Ok(failure(*code, "refused by the test")),
            Some((_, Fault::Says(code, words))) => return Ok(failure(*code, words)),
            Some((_, Fault::Broken)) => return Err("connection broken by the test".into()),
            None => {}
        }
        Ok(match call.method {
            Method::GET if call.path.contains('/') => self.read(&call.path),
            Method::GET => self.list(call),
            Method::POST => self.create(call),
            Method::PUT => self.replace(call),
            Method::PATCH => self.patch(call),
            Method::DELETE => self.delete(call),
            _ => failure(405, "no such verb"),
        })
    }

    fn store(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        let meta = &mut object["metadata"];
        meta["resourceVersion"] = json!(self.version.to_string());
        meta["namespace"] = json!("n");
        if meta["uid"].is_null() {
            meta["uid"] = json!(format!("uid-{path}"));
        }
        if meta["name"].is_null() {
            meta["name"] = json!(path.rsplit('/').next());
        }
        self.objects.insert(path.into(), object.clone());
        object
    }

    fn read(&self, path: &str) -> Answer {
        match self.objects.get(path) {
            Some(object) => (200, object.clone()),
            None => failure(404, "not found"),
        }
    }

    fn list(&self, call: &Call) -> Answer {
        let prefix = format!("{}/", call.path);
        let selector = call.query.get("labelSelector").cloned().unwrap_or_default();
        let mut items = self.objects.iter();
        let items: Vec<Value> = items
            .by_ref()
            .filter(|(path, _)| path.starts_with(&prefix))
            .map(|(_, object)| object)
            .filter(|object| selects(&selector, &object["metadata"]["labels"]))
            .map(listed)
            .collect();
        let metadata = json!({"resourceVersion": self.version.to_string()});
        let list =
            json!({"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items});
        (200, list)
    }

    fn create(&mut self, call: &Call) -> Answer {
        let name = call.body["metadata"]["name"].as_str().unwrap_or("unnamed");
        let path = format!("{}/{name}", call.path);
        if self.objects.contains_key(&path) {
            return failure(409, "exists already");
        }
        (201, self.store(&path, call.body.clone()))
    }

    fn replace(&mut self, call: &Call) -> Answer {
        match self.objects.get(&call.path) {
            None => failure(404, "not found"),
            Some(old) if is_stale(old, &call.body) => failure(409, "modified"),
            Some(_) => (200, self.store(&call.path, call.body.clone())),
        }
    }

    fn patch(&mut self, call: &Call) -> Answer {
        let path = call.object();
        let Some(old) = self.objects.get(path).cloned() else {
            let creates = call.apply && path == call.path;
            return match creates {
                true => (201, self.store(path, call.body.clone())),
                false => failure(404, "not found"),
            };
        };
        if is_stale(&old, &call.body) {
            return failure(409, "modified");
        }
        let mut new = old.clone();
        merge(&mut new, &call.body);
        // What has lost its last finalizer goes.
        let meta = &new["metadata"];
        let finalizers = meta["finalizers"].as_array().is_none_or(Vec::is_empty);
        if !meta["deletionTimestamp"].is_null() && finalizers {
            self.objects.remove(path);
            return (200, new);
        }
        (200, self.store(path, new))
    }

    fn delete(&mut self, call: &Call) -> Answer {
        let uid = &call.body["preconditions"]["uid"];
        match self.objects.get(&call.path) {
            None => failure(404, "not found"),
            Some(old) if !uid.is_null() && *uid != old["metadata"]["uid"] => {
                failure(409, "another uid")
            }
            Some(_) => (200, self.objects.remove(&call.path).unwrap_or_default()),
        }
    }
}

/// Items of a list come without their type, except those of custom resources.
fn listed(object: &Value) -> Value {
    let mut item = object.clone();
    let version = item["apiVersion"].as_str().unwrap_or_default();
    if !version.starts_with("foresail.dev") {
        let fields = item.as_object_mut().unwrap();
        fields.remove("apiVersion");
        fields.remove("kind");
    }
    item
}

/// `a=b,c!=d`.
fn selects(selector: &str, labels: &Value) -> bool {
    let mut terms = selector.split(',').filter(|term| !term.is_empty());
    terms.all(|term| match term.split_once("!=") {
        Some((key, value)) => labels[key] != json!(value),
        None => {
            let (key, value) = term.split_once('=').unwrap();
            labels[key] == json!(value)
        }
    })
}

fn is_stale(old: &Value, new: &Value) -> bool {
    let asked = &new["metadata"]["resourceVersion"];
    !asked.is_null() && *asked != old["metadata"]["resourceVersion"]
}

fn merge(into: &mut Value, from: &Value) {
    let Value::Object(fields) = from else {
        *into = from.clone();
        return;
    };
    for (key, value) in fields {
        match into.get_mut(key) {
            Some(old) if value.is_object() && old.is_object() => merge(old, value),
            _ => into[key] = value.clone(),
        }
    }
}

fn failure(code: u16, message: &str) -> Answer {
    let reason = match code {
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        422 => "Invalid",
        _ => "InternalError",
    };
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "code": code, "reason": reason, "message": message
    });
    (code, status)
}
