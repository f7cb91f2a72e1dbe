//! YAML as kubectl reads it: by the words of YAML 1.1, in which `ON`, `NO` and `Y` are booleans, as the Go library behind
//! kubectl does. What was written is kept beside what it means, so that a message can say both.

mod scalar;

use std::collections::{BTreeMap, HashMap};

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};
use serde_json::{Map, Value};

use crate::refusal::Refused;

/// Most values of a file, counted again for each alias.
const MOST_VALUES: usize = 200_000;
/// Deepest nesting.
const DEEPEST: usize = 128;

/// A document, and where its values are written, by path.
#[derive(Debug, Default)]
pub(crate) struct Document {
    pub value: Value,
    places: BTreeMap<String, Place>,
}

/// Where a value is written, and how.
#[derive(Debug)]
pub(crate) struct Place {
    /// Line, from 1 on.
    pub line: usize,
    /// The word and its meaning, when it stands without quotes and means something else than text.
    pub word: Option<(String, String)>,
}

impl Document {
    /// Place of a field, or of what should hold it.
    pub(crate) fn place(&self, path: &str) -> Option<&Place> {
        let mut path = path;
        while !path.is_empty() {
            if let Some(place) = self.places.get(path) {
                return Some(place);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
        None
    }
}

/// Reads the one object of a text, or the one Pipeline among several.
///
/// # Errors
/// When it is no YAML, holds no Pipeline or several, or a key twice in one mapping.
pub(crate) fn read(text: &str) -> Result<Document, Refused> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let events: Result<Vec<_>, ScanError> = Parser::new_from_str(text)
        .filter(|event| !matches!(event, Ok((Event::Comment(..), _))))
        .collect();
    let events = events.map_err(|e| refused(format!("it is no YAML: {e}")))?;
    let mut reader = Reader {
        events: events.into_iter(),
        anchors: HashMap::new(),
        places: BTreeMap::new(),
        values: 0,
    };
    let mut found = Vec::new();
    while let Some((event, _)) = reader.events.next() {
        if matches!(event, Event::DocumentStart(..)) {
            let value = reader.node("", 0)?;
            let places = std::mem::take(&mut reader.places);
            found.push(Document { value, places });
        }
    }
    found.retain(|document| !document.value.is_null());
    if found.len() > 1 {
        found.retain(|document| document.value["kind"] == "Pipeline");
    }
    match (found.pop(), found.len()) {
        (Some(document), 0) => Ok(document),
        (None, _) => Err(refused("it holds no Pipeline")),
        (_, others) => Err(refused(format!(
            "it holds {} Pipelines, and must hold one",
            others + 1
        ))),
    }
}

fn refused(message: impl Into<String>) -> Refused {
    Refused::new(vec![message.into()])
}

struct Reader<'a> {
    events: std::vec::IntoIter<(Event<'a>, Span)>,
    anchors: HashMap<usize, Value>,
    places: BTreeMap<String, Place>,
    values: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, usize), Refused> {
        let (event, span) = self
            .events
            .next()
            .ok_or_else(|| refused("it is no YAML: it ends within a value"))?;
        Ok((event, span.start.line()))
    }

    /// The next value.
    fn node(&mut self, path: &str, depth: usize) -> Result<Value, Refused> {
        let (event, line) = self.next()?;
        self.value(event, line, path, depth)
    }

    fn value(
        &mut self,
        event: Event<'a>,
        line: usize,
        path: &str,
        depth: usize,
    ) -> Result<Value, Refused> {
        self.values += 1;
        if depth > DEEPEST || self.values > MOST_VALUES {
            return Err(refused(format!(
                "line {line}: it nests too deeply, or its aliases make too much of it"
            )));
        }
        let mut word = None;
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = if is_text(style, tag.as_deref()) {
                    Value::from(&*text)
                } else {
                    scalar::resolve(&text)
                };
                if !value.is_string() && !text.is_empty() {
                    word = Some((text.into_owned(), value.to_string()));
                }
                (anchor, value)
            }
            Event::SequenceStart(_, anchor, _) => (anchor, self.sequence(path, depth)?),
            Event::MappingStart(_, anchor, _) => (anchor, self.mapping(path, depth)?),
            Event::Alias(anchor) => {
                let value = self.anchors.get(&anchor).cloned().unwrap_or_default();
                self.values += size(&value);
                (0, value)
            }
            other => return Err(refused(format!("line {line}: {other:?} is no value"))),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        self.places.insert(path.to_owned(), Place { line, word });
        Ok(value)
    }

    fn sequence(&mut self, path: &str, depth: usize) -> Result<Value, Refused> {
        let mut items = Vec::new();
        loop {
            let (event, line) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(Value::Array(items));
            }
            let path = format!("{path}[{}]", items.len());
            items.push(self.value(event, line, &path, depth + 1)?);
        }
    }

    fn mapping(&mut self, path: &str, depth: usize) -> Result<Value, Refused> {
        let (mut fields, mut merged) = (Map::new(), Vec::new());
        loop {
            let (event, line) = self.next()?;
            let (text, is_text) = match event {
                Event::MappingEnd => break,
                Event::Scalar(text, style, _, tag) => (text, is_text(style, tag.as_deref())),
                _ => {
                    let message = format!("line {line}: a key must be a word");
                    return Err(refused(message));
                }
            };
            if text == "<<" && !is_text {
                merged.push(self.node(path, depth + 1)?);
                continue;
            }
            let key = if is_text {
                text.into_owned()
            } else {
                scalar::key(&text)
            };
            let below = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            let value = self.node(&below, depth + 1)?;
            if fields.insert(key, value).is_some() {
                return Err(refused(format!("line {line}: {below} stands there twice")));
            }
        }
        for source in merged {
            merge(&mut fields, source);
        }
        Ok(Value::Object(fields))
    }
}

/// Whether a scalar is text whatever it says: in quotes, or with the tag for text.
fn is_text(style: ScalarStyle, tag: Option<&Tag>) -> bool {
    style != ScalarStyle::Plain || tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str"))
}

/// Fields of `<<` give way to those that are written, and later ones to earlier ones.
fn merge(fields: &mut Map<String, Value>, source: Value) {
    match source {
        Value::Object(source) => {
            for (key, value) in source {
                fields.entry(key).or_insert(value);
            }
        }
        Value::Array(sources) => sources.into_iter().for_each(|source| merge(fields, source)),
        _ => {}
    }
}

/// Values within a value.
fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(fields) => 1 + fields.values().map(size).sum::<usize>(),
        _ => 1,
    }
}
