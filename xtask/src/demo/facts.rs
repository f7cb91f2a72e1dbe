//! What a Pipeline's status says, as short lines. Pure; called while following.

use serde_json::Value;

/// One line about one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Which part.
    pub part: String,
    /// Printed as soon as it changes.
    pub state: String,
    /// Printed at most every ten seconds.
    pub detail: String,
}

impl Fact {
    /// Both, as one phrase.
    pub fn phrase(&self) -> String {
        let parts = [self.state.as_str(), self.detail.as_str()];
        parts
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("; ")
    }
}

/// Everything worth printing, in the order of the data's way.
pub fn facts(pipeline: &Value) -> Vec<Fact> {
    let status = &pipeline["status"];
    let mut facts = Vec::new();
    if status["prepare"].is_object() {
        facts.push(fact(
            "prepare",
            flag(&status["prepare"]["complete"], "complete", "running"),
            String::new(),
        ));
    }
    facts.extend(ingest(&status["ingest"]));
    facts.extend(counted(
        &status["lake"],
        "lake",
        "version {version}, {rows} bars",
    ));
    facts.extend(counted(
        &status["stream"],
        "stream",
        "{bars} bars, {rows} feature rows",
    ));
    facts.extend(run(status));
    if let Some(version) = status["champion"]["version"].as_u64() {
        facts.push(fact(
            "champion",
            format!("version {version}"),
            String::new(),
        ));
    }
    if let Some(message) = status["lastDecision"]["message"].as_str() {
        facts.push(fact(
            "decision",
            format!("{}: {message}", text(&status["lastDecision"]["action"])),
            String::new(),
        ));
    }
    facts.extend(drift(&status["drift"]));
    facts.extend(performance(&status["performance"]));
    for part in ["prepare", "ingest", "lake", "stream", "training"] {
        facts.extend(error(part, &status[part]["error"]));
    }
    facts.extend(error("monitor", &status["monitorError"]));
    facts.extend(conditions(status));
    facts
}

/// Whether a condition is `True`.
pub fn is_true(pipeline: &Value, condition: &str) -> bool {
    find(pipeline, condition).is_some_and(|found| found["status"] == "True")
}

/// The message of a condition.
pub fn message(pipeline: &Value, condition: &str) -> String {
    find(pipeline, condition)
        .map(|found| format!("{}: {}", text(&found["reason"]), text(&found["message"])))
        .unwrap_or_default()
}

/// The replay has been played to its end, everything has caught up, and no decision is pending.
pub fn is_done(pipeline: &Value) -> bool {
    let status = &pipeline["status"];
    let sent = status["ingest"]["rowsSent"].as_u64();
    status["ingest"]["sourceComplete"] == true
        && sent.is_some()
        && status["lake"]["rows"].as_u64() == sent
        && status["stream"]["bars"].as_u64() == sent
        && (status["drift"].is_null()
            || status["drift"]["windowEndTime"] == status["ingest"]["lastEventTime"])
        && status["champion"]["version"].is_u64()
        && status["run"]["state"] != "Running"
        && status["observedGeneration"] == pipeline["metadata"]["generation"]
        && is_true(pipeline, "Ready")
}

fn find<'a>(pipeline: &'a Value, condition: &str) -> Option<&'a Value> {
    pipeline["status"]["conditions"]
        .as_array()?
        .iter()
        .find(|found| found["type"] == condition)
}

fn ingest(ingest: &Value) -> Option<Fact> {
    let rows = ingest["rowsRead"].as_u64()?;
    let state = match (
        ingest["backfillComplete"] == true,
        ingest["sourceComplete"] == true,
    ) {
        (_, true) => "source complete",
        (true, false) => "live replay",
        (false, false) => "backfill",
    };
    let (sent, refused) = (
        number(&ingest["rowsSent"]),
        number(&ingest["rowsQuarantined"]),
    );
    Some(fact(
        "ingest",
        state.into(),
        format!(
            "{rows} rows read, {sent} sent, {refused} quarantined{}",
            through(ingest)
        ),
    ))
}

/// Fills the numbers of `object` into `words`.
fn counted(object: &Value, part: &str, words: &str) -> Option<Fact> {
    let fields = object.as_object()?;
    let filled = fields
        .iter()
        .filter(|(_, value)| value.is_u64())
        .fold(words.to_owned(), |line, (name, value)| {
            line.replace(&format!("{{{name}}}"), &value.to_string())
        });
    Some(fact(
        part,
        String::new(),
        format!("{filled}{}", through(object)),
    ))
}

fn run(status: &Value) -> Option<Fact> {
    let run = status["run"].as_object()?;
    let state = format!(
        "run {} ({}) {}",
        text(&run["id"]),
        text(&run["trigger"]),
        text(&run["state"]).to_lowercase()
    );
    let training = &status["training"];
    let same = training["runId"] == run["id"] && run["state"] == "Running";
    let detail = if same {
        format!(
            "{} {}%",
            text(&training["stage"]),
            number(&training["progressPercentage"])
        )
    } else {
        String::new()
    };
    Some(fact("training", state, detail))
}

fn drift(drift: &Value) -> Option<Fact> {
    let state = flag(drift.get("alarm")?, "ALARM", "calm");
    let day = day(&drift["windowEndTime"]);
    let detail = format!(
        "{} {} against {} at {day} (version {})",
        text(&drift["metric"]),
        text(&drift["score"]),
        text(&drift["threshold"]),
        number(&drift["modelVersion"])
    );
    Some(fact("drift", state, detail))
}

fn performance(performance: &Value) -> Option<Fact> {
    let state = flag(
        performance.get("worseThanNaive")?,
        "worse than naive",
        "not worse than naive",
    );
    let detail = format!(
        "RMSE {} against naive {} over {} dates",
        text(&performance["rmse"]),
        text(&performance["naiveRmse"]),
        number(&performance["dates"])
    );
    Some(fact("performance", state, detail))
}

fn error(part: &str, error: &Value) -> Option<Fact> {
    let reason = error["reason"].as_str()?;
    Some(fact(
        &format!("{part} error"),
        format!("{reason}: {}", text(&error["message"])),
        String::new(),
    ))
}

fn conditions(status: &Value) -> Vec<Fact> {
    let conditions = status["conditions"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let to_fact = |found: &Value| {
        let (kind, state, reason) = (
            text(&found["type"]),
            text(&found["status"]),
            text(&found["reason"]),
        );
        let message = if state == "True" {
            String::new()
        } else {
            format!(": {}", text(&found["message"]))
        };
        fact(&kind, format!("{state} ({reason}){message}"), String::new())
    };
    conditions.iter().map(to_fact).collect()
}

fn fact(part: &str, state: String, detail: String) -> Fact {
    Fact {
        part: part.to_owned(),
        state,
        detail,
    }
}

fn flag(value: &Value, yes: &str, no: &str) -> String {
    if value == true { yes.into() } else { no.into() }
}

fn through(object: &Value) -> String {
    match object["lastEventTime"].as_str() {
        Some(_) => format!(", through {}", day(&object["lastEventTime"])),
        None => String::new(),
    }
}

fn day(time: &Value) -> String {
    text(time).chars().take(10).collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

/// Text of a string or a number (decimals are either).
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn finished() -> Value {
        json!({"metadata": {"generation": 1}, "status": {
            "observedGeneration": 1,
            "conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "message": ""}],
            "ingest": {"rowsRead": 10, "rowsSent": 9, "rowsQuarantined": 1, "sourceComplete": true, "lastEventTime": "2009-12-31T21:00:00Z"},
            "lake": {"version": 3, "rows": 9}, "stream": {"bars": 9, "rows": 4},
            "champion": {"version": 2}, "run": {"id": "a", "trigger": "Drift", "state": "Succeeded"}}})
    }

    #[test]
    fn done_means_caught_up_and_decided() {
        assert!(is_done(&finished()));
        for (part, field, value) in [
            ("lake", "rows", json!(8)),
            ("run", "state", json!("Running")),
            ("ingest", "sourceComplete", json!(false)),
            ("drift", "windowEndTime", json!("2009-12-30T21:00:00Z")),
        ] {
            let mut pipeline = finished();
            pipeline["status"][part][field] = value;
            assert!(!is_done(&pipeline), "{part}.{field}");
        }
    }

    #[test]
    fn shows_what_is_there_and_nothing_else() {
        let facts = facts(&finished());
        let ingest = facts.iter().find(|fact| fact.part == "ingest").unwrap();
        assert_eq!(ingest.state, "source complete");
        assert_eq!(
            ingest.detail,
            "10 rows read, 9 sent, 1 quarantined, through 2009-12-31"
        );
        assert!(facts.iter().all(|fact| fact.part != "drift"));
        assert!(super::facts(&json!({})).is_empty());
    }
}
