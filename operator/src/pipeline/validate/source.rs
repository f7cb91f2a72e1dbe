//! What a source says of the bars that come. Where it names another Pipeline, that one's source says it, and both must have
//! alike what bars and positions depend on.

use std::time::Duration;

use foresail_crds::pipeline::refetch::Refetch;
use foresail_crds::pipeline::spec::PipelineSpec;
use foresail_crds::{Pipeline, Role};
use jiff::Timestamp;
use kube::ResourceExt;

use super::{Invalid, ValidatedPipeline, invalid};

/// Instruments that are named in one sentence.
const NAMED: usize = 5;

/// A source that is expected to go on: neither made up, nor replayed, nor cut off at a date.
#[derive(Clone, Debug)]
pub struct LiveSource {
    /// Sessions that may end without a bar, where the spec says it.
    pub stale_after_sessions: Option<u32>,
    /// When the Pipeline that reads it was made.
    pub made: Option<Timestamp>,
    /// The ProviderAccount that it is asked with.
    pub account: Option<String>,
    /// Time after the end of a session at which its bar is expected.
    pub delay: Duration,
}

/// What a value of the annotation asks for. One that cannot be followed stops nothing: it is told.
pub(super) fn refetch(value: &str, spec: &PipelineSpec) -> Result<Refetch, String> {
    let refetch = Refetch::parse(value).map_err(|e| e.to_string())?;
    if let Some(other) = spec.bars_of() {
        return Err(format!(
            "its bars are those of another Pipeline; annotate Pipeline {other}"
        ));
    }
    if spec.source.provider.is_none() {
        return Err(
            "source.provider is not used, and a file is read again when it has changed".into(),
        );
    }
    let is_declared = |symbol: &str| spec.instruments.iter().any(|it| *it.symbol == *symbol);
    match refetch.stranger(is_declared) {
        Some(symbol) => Err(format!("{symbol} is not among the instruments")),
        None => Ok(refetch),
    }
}

/// Sessions per second of the declared replay.
pub(super) fn replay_speed(spec: &PipelineSpec) -> Option<f64> {
    let replay = spec.source.replay.as_ref()?;
    replay.sessions_per_second.as_f64()
}

/// The source, when its newest bar is judged by the clock.
///
/// # Errors
/// A delay that is no duration.
pub(super) fn live_source(object: &Pipeline) -> Result<Option<LiveSource>, Invalid> {
    let source = &object.spec.source;
    let delay = match &source.provider {
        None => Duration::ZERO,
        Some(provider) => provider.delay.as_duration().ok_or_else(|| {
            let message = "must be a duration such as 30m";
            invalid("spec.source.provider.delay", message)
        })?,
    };
    let is_outside = source.csv.is_some() || source.provider.is_some();
    let goes_on = is_outside && source.replay.is_none() && source.backfill.to.is_none();
    Ok(goes_on.then(|| LiveSource {
        stale_after_sessions: source.stale_after_sessions,
        made: object.creation_timestamp().map(|t| t.0),
        account: source.provider.as_ref().map(|p| p.account.clone()),
        delay,
    }))
}

impl ValidatedPipeline {
    /// With what the Pipeline that it reads from says of its source: how fast it is replayed, whether its newest bar is judged
    /// by the clock, and what becomes of moves that may be mistakes. As it was where it reads from none.
    #[must_use]
    pub fn reading(self, other: Option<&Pipeline>) -> Self {
        let Some(other) = other.filter(|_| self.bars_of.is_some()) else {
            return self;
        };
        let source = &other.spec.source;
        let own = self.spec.source.stale_after_sessions;
        // One that cannot be run says so itself.
        let live = live_source(other).ok().flatten();
        let live = live.map(|live| LiveSource {
            stale_after_sessions: own.or(live.stale_after_sessions),
            ..live
        });
        Self {
            replay_speed: replay_speed(&other.spec),
            live_source: live,
            on_suspicion: source.on_suspicion,
            ..self
        }
    }

    /// Whether a role has anything to do: whoever reads the bars of another Pipeline ingests none.
    pub fn runs(&self, role: Role) -> bool {
        role != Role::Ingest || self.bars_of.is_none()
    }

    /// In what it differs from a Pipeline whose bars it is to read, each with what it must be.
    pub fn differences(&self, other: &PipelineSpec) -> Vec<String> {
        let own = &self.spec;
        let mut found = Vec::new();
        let mut differ = |field: &str, ours: &str, theirs: &str| {
            if ours != theirs {
                found.push(format!("{field} must be {theirs}, and is {ours}"));
            }
        };
        let (ours, theirs) = (&own.kafka, &other.kafka);
        let intervals = [own, other].map(|spec| spec.source.interval.to_string());
        differ("source.interval", &intervals[0], &intervals[1]);
        let calendars = [own, other].map(|spec| spec.calendar.name());
        differ("calendar", calendars[0], calendars[1]);
        let (servers, theirs_are) = (&ours.bootstrap_servers, &theirs.bootstrap_servers);
        differ("kafka.bootstrapServers", servers, theirs_are);
        let prefixes = [ours, theirs].map(|kafka| format!("`{}`", kafka.topic_prefix));
        differ("kafka.topicPrefix", &prefixes[0], &prefixes[1]);
        let partitions = [ours, theirs].map(|kafka| kafka.partitions.to_string());
        differ("kafka.partitions", &partitions[0], &partitions[1]);
        if own.calendar == other.calendar && own.trading_calendar() != other.trading_calendar() {
            found.push("calendarOverrides must have the same days".into());
        }
        found.extend(strangers(own, other));
        found
    }
}

/// Instruments that the other Pipeline does not have.
fn strangers(own: &PipelineSpec, other: &PipelineSpec) -> Option<String> {
    let is_known = |symbol: &str| other.instruments.iter().any(|it| *it.symbol == *symbol);
    let symbols = own.instruments.iter().map(|it| it.symbol.to_string());
    let unknown: Vec<String> = symbols.filter(|symbol| !is_known(symbol)).collect();
    let named = unknown.iter().take(NAMED).cloned().collect::<Vec<_>>();
    let more = match unknown.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let named = named.join(", ");
    (!unknown.is_empty()).then(|| format!("instruments must not have {named}{more}"))
}

#[cfg(test)]
mod tests {
    use foresail_crds::worker_config::Installation;
    use serde_json::{Value, json};

    use super::*;
    use crate::pipeline::validate::tests::{from_provider, object, pipeline, reads};

    #[test]
    fn both_must_have_alike_what_positions_and_bars_depend_on() {
        type Change = fn(&mut Value);
        let differences =
            |change: Change| pipeline(reads).differences(&object(change).spec).join("; ");
        assert_eq!(differences(|_| {}), "");
        // Each is its own affair.
        let own: Change = |v| {
            v["spec"]["features"] = json!([{"name": "s", "function": "SimpleReturn"}]);
            v["spec"]["lake"]["uri"] = json!("s3://another/lake");
            v["spec"]["source"]["adjustment"] = json!("None");
            v["spec"]["kafka"]["secretName"] = json!("another");
            v["spec"]["kafka"]["replicationFactor"] = json!(3);
            v["spec"]["instruments"] = json!([{"symbol": "W"}, {"symbol": "X"}]);
        };
        assert_eq!(differences(own), "");
        let cases: [(Change, &str); 7] = [
            (
                |v| v["spec"]["source"]["interval"] = json!("5m"),
                "source.interval must be 5m, and is 1d",
            ),
            (
                |v| v["spec"]["calendar"] = json!("XLON"),
                "calendar must be XLON, and is XNYS",
            ),
            (
                |v| {
                    v["spec"]["calendarOverrides"] = json!([{"date": "2026-01-05", "closed": true}])
                },
                "calendarOverrides must have the same days",
            ),
            (
                |v| v["spec"]["kafka"]["bootstrapServers"] = json!("l:9092"),
                "kafka.bootstrapServers must be l:9092, and is k:9092",
            ),
            (
                |v| v["spec"]["kafka"]["topicPrefix"] = json!("x."),
                "kafka.topicPrefix must be `x.`, and is ``",
            ),
            (
                |v| v["spec"]["kafka"]["partitions"] = json!(5),
                "kafka.partitions must be 5, and is 3",
            ),
            (
                |v| v["spec"]["instruments"] = json!([{"symbol": "Y"}]),
                "instruments must not have X",
            ),
        ];
        for (change, said) in cases {
            assert_eq!(differences(change), said);
        }
    }

    #[test]
    fn many_instruments_that_are_not_there_are_counted() {
        let many = pipeline(|v| {
            reads(v);
            let symbols = (0..8).map(|i| json!({"symbol": format!("S{i}")}));
            v["spec"]["instruments"] = symbols.collect();
        });
        let found = many.differences(&object(|_| {}).spec);
        assert_eq!(
            found,
            ["instruments must not have S0, S1, S2, S3, S4 and 3 more"]
        );
    }

    #[test]
    fn what_the_source_of_the_other_one_says_counts() {
        let alone = pipeline(reads);
        assert!(alone.live_source.is_none() && alone.replay_speed.is_none());
        assert!(!alone.runs(Role::Ingest) && alone.runs(Role::Lake));
        let replayed = pipeline(reads).reading(Some(&object(|_| {})));
        assert!(replayed.replay_speed == Some(5.0) && replayed.live_source.is_none());
        let provider = object(|v| {
            from_provider(v);
            v["spec"]["source"]["onSuspicion"] = json!("Stop");
            v["spec"]["source"]["staleAfterSessions"] = json!(2);
        });
        let live = pipeline(reads).reading(Some(&provider));
        let source = live.live_source.unwrap();
        assert_eq!(source.stale_after_sessions, Some(2));
        assert_eq!(source.account.as_deref(), Some("market"));
        assert!(live.on_suspicion.is_some() && live.account.is_none());
        let own = pipeline(|v| {
            reads(v);
            v["spec"]["source"]["staleAfterSessions"] = json!(9);
        });
        let source = own.reading(Some(&provider)).live_source.unwrap();
        assert_eq!(source.stale_after_sessions, Some(9));
        // Whoever has a source of its own is left as it is.
        let file = pipeline(|_| {}).reading(Some(&provider));
        assert!(file.live_source.is_none() && file.runs(Role::Ingest));
    }

    #[test]
    fn an_annotation_for_what_is_read_again_belongs_to_the_other_one() {
        let asked = object(|v| {
            reads(v);
            v["metadata"]["annotations"] =
                json!({"foresail.dev/refetch": "X 2024-01-01..2024-03-31"});
        });
        let asked = crate::pipeline::validate::validate(&asked, &Installation::default()).unwrap();
        let why = asked.refetch.unwrap().unwrap_err();
        assert!(why.contains("annotate Pipeline prices"), "{why}");
    }
}
