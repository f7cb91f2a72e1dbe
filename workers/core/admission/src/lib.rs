//! Judges a Pipeline in a file as kubectl and the API server judge it: YAML is read as kubectl reads it, and the schema
//! and the CEL rules of the generated CRD are applied, in the API server's words. Used by `foresail-trainer`; the suite
//! `admission` holds the same objects against both.

mod metadata;
mod refusal;
mod rules;
mod schema;
mod yaml;

use foresail_crds::Pipeline;
use serde_json::Value;

pub use refusal::{Refusal, Refused};
use yaml::Document;

/// Reads a Pipeline from YAML or JSON.
///
/// # Errors
/// Everything for which kubectl or the API server would refuse it, with lines. Beyond them, a key that stands twice in one
/// mapping is refused, of which kubectl takes the last.
pub fn read(text: &str) -> Result<Pipeline, Refused> {
    let document = yaml::read(text)?;
    let (object, refusals) = judged(&document.value);
    if !refusals.is_empty() {
        let told = refusals.iter().map(|refusal| document.tell(refusal));
        return Err(Refused::new(told.collect()));
    }
    serde_json::from_value(object).map_err(|error| Refused::new(vec![error.to_string()]))
}

/// Why the API server would refuse to create an object as a Pipeline: nothing when it would take it.
pub fn judge(object: &Value) -> Vec<Refusal> {
    judged(object).1
}

/// The object as it would be stored, and what is wrong with it. Rules are asked when types and bounds hold.
fn judged(object: &Value) -> (Value, Vec<Refusal>) {
    let mut object = object.clone();
    // What the operator has observed is no part of what is declared.
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    let mut refusals = metadata::check(&object);
    refusals.extend(schema::check(&mut object));
    if refusals.is_empty() {
        refusals = rules::check(&object);
    }
    (object, refusals)
}

impl Document {
    /// A refusal with its line, and with the word that YAML takes for something else.
    fn tell(&self, refusal: &Refusal) -> String {
        let Some(place) = self.place(&refusal.path) else {
            return refusal.to_string();
        };
        let line = place.line;
        match &place.word {
            Some((word, meaning)) if refusal.wants_text => format!(
                "line {line}: {refusal}: YAML reads {word} as {meaning}; write \"{word}\", in quotes"
            ),
            _ => format!("line {line}: {refusal}"),
        }
    }
}

#[cfg(test)]
mod tests;
