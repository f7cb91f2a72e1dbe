//! The answer of `infer`: JSON, then the outputs that are wanted raw.

use super::binary;
use super::document::Form;
use crate::answer::Answer;
use crate::json::{number, text};
use crate::tensor::{Tensor, show};
use crate::windows::Outputs;

/// Writes an answer of a model and version.
pub(crate) fn write((model, version): (&str, u32), form: &Form, outputs: &Outputs) -> Answer {
    let mut json = String::from("{\"model_name\":");
    text(&mut json, model);
    json.push_str(&format!(",\"model_version\":\"{version}\""));
    if let Some(id) = &form.id {
        json.push_str(",\"id\":");
        text(&mut json, id);
    }
    json.push_str(",\"outputs\":[");
    let mut raw = Vec::new();
    for (index, (name, tensor, is_raw)) in wanted(form, outputs).into_iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        json.push_str("{\"name\":");
        text(&mut json, name);
        let shape = show(tensor.shape());
        json.push_str(&format!(",\"datatype\":\"FP32\",\"shape\":{shape}"));
        if is_raw {
            let before = raw.len();
            raw.extend(binary::raw(tensor.values()));
            let size = raw.len() - before;
            json.push_str(&format!(
                ",\"parameters\":{{\"binary_data_size\":{size}}}}}"
            ));
        } else {
            json.push_str(",\"data\":");
            flat(&mut json, tensor.values());
            json.push('}');
        }
    }
    json.push_str("]}");
    if raw.is_empty() {
        return Answer::json(200, json);
    }
    Answer {
        content_type: Some("application/octet-stream"),
        json_length: Some(json.len()),
        ..Answer::json(200, [json.into_bytes(), raw].concat())
    }
}

/// The outputs in the order in which they are asked for, each once, and whether it is wanted raw.
pub(super) fn wanted<'o>(
    form: &Form,
    outputs: &'o Outputs,
) -> Vec<(&'static str, &'o Tensor, bool)> {
    if form.outputs.is_empty() {
        let all = outputs.iter();
        return all
            .map(|(name, tensor)| (name, tensor, form.binary))
            .collect();
    }
    let mut found: Vec<(&'static str, &Tensor, bool)> = Vec::new();
    for wish in &form.outputs {
        let known = outputs.iter().find(|(name, _)| *name == wish.name);
        if let Some((name, tensor)) = known.filter(|(name, _)| found.iter().all(|f| f.0 != *name)) {
            found.push((name, tensor, wish.binary.unwrap_or(form.binary)));
        }
    }
    found
}

fn flat(out: &mut String, values: &[f32]) {
    out.push('[');
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        number(out, *value);
    }
    out.push(']');
}
