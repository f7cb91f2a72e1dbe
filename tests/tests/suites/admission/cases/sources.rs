//! Instruments, sources, Kafka, the lake.

use serde_json::{Value, json};

use super::{GONE, Row};

fn instruments(count: usize) -> Value {
    (0..count)
        .map(|i| json!({"symbol": format!("S{i}")}))
        .collect()
}

pub fn rows() -> Vec<Row> {
    [instrument_rows(), csv_rows(), kafka_rows(), lake_rows()].concat()
}

#[rustfmt::skip]
fn instrument_rows() -> Vec<Row> {
    vec![
        ("no instruments", vec![("/spec/instruments", json!(GONE))], "spec.instruments: Required value"),
        ("empty instruments", vec![("/spec/instruments", json!([]))], "should have at least 1 items"),
        ("257 instruments", vec![("/spec/instruments", instruments(257))], "must have at most 256 items"),
        ("an instrument twice", vec![("/spec/instruments", json!([{"symbol": "A"}, {"symbol": "A"}]))], "Duplicate value"),
        ("an instrument without symbol", vec![("/spec/instruments", json!([{}]))], "spec.instruments[0].symbol: Required value"),
        ("a symbol with a path", vec![("/spec/instruments/0/symbol", json!("../../etc"))], "spec.instruments[0].symbol"),
        ("a symbol with a space at its end", vec![("/spec/instruments/0/symbol", json!("BF "))], "should match"),
        ("two symbols in one", vec![("/spec/instruments/0/symbol", json!("AAPL,IBM"))], "should match"),
        ("a symbol with a quote", vec![("/spec/instruments/0/symbol", json!("AAPL'; DROP"))], "should match"),
        ("a symbol that is encoded", vec![("/spec/instruments/0/symbol", json!("BTC%2FUSDT"))], "should match"),
        ("ON without quotes", vec![("/spec/instruments/0/symbol", json!(true))], "must be of type string: \"boolean\""),
        ("1234 without quotes", vec![("/spec/instruments/0/symbol", json!(1234))], "must be of type string: \"integer\""),
        ("a symbol beyond ASCII", vec![("/spec/instruments/0/symbol", json!("ÄPL\u{200b}"))], "should match"),
        ("a symbol of 33 letters", vec![("/spec/instruments/0/symbol", json!("A".repeat(33)))], "may not be more than 32"),
        ("an unknown calendar", vec![("/spec/calendar", json!("XPAR"))], "supported values"),
        ("a day that is closed and open", vec![("/spec/calendarOverrides", json!([{"date": "2027-01-20", "closed": true, "open": true}]))], "calendarOverrides: each day must have exactly one of"),
        ("a day that is not closed", vec![("/spec/calendarOverrides", json!([{"date": "2027-01-20", "closed": false}]))], "calendarOverrides: each day must have exactly one of"),
        ("a day of which nothing is said", vec![("/spec/calendarOverrides", json!([{"date": "2027-01-20"}]))], "calendarOverrides: each day must have exactly one of"),
        ("a day twice", vec![("/spec/calendarOverrides", json!([{"date": "2027-01-20", "closed": true}, {"date": "2027-01-20", "open": true}]))], "Duplicate value"),
        ("a close at 25 o'clock", vec![("/spec/calendarOverrides", json!([{"date": "2027-01-20", "closesAt": "25:00"}]))], "spec.calendarOverrides[0].closesAt"),
    ]
}

#[rustfmt::skip]
fn csv_rows() -> Vec<Row> {
    let simulator = json!({"seed": 1, "start": "2010-01-04", "sessions": 10});
    vec![
        ("no source", vec![("/spec/source", json!(GONE))], "spec.source: Required value"),
        ("two sources", vec![("/spec/source/simulator", simulator)], "source must have exactly one of csv, provider, simulator and pipelineRef"),
        ("an empty source", vec![("/spec/source/csv", json!(GONE))], "source must have exactly one of csv, provider, simulator and pipelineRef"),
        ("a fallback of a file", vec![("/spec/source/fallback", json!([{"account": "yahoo"}]))], "source.fallback must not be set without source.provider"),
        ("a second account for a file", vec![("/spec/source/quorum", json!({"account": "yahoo"}))], "source.quorum must not be set without source.provider"),
        ("a source of the next issue", vec![("/spec/source/yahoo", json!({}))], "unknown field \"spec.source.yahoo\""),
        ("backfill backwards", vec![("/spec/source/backfill/from", json!("2024-01-01"))], "source.backfill.from must not be after source.backfill.to"),
        ("replay without an end of backfill", vec![("/spec/source/backfill/to", json!(GONE))], "source.backfill.to must be set when source.replay is used"),
        ("a date with slashes", vec![("/spec/source/backfill/to", json!("2023/12/31"))], "spec.source.backfill.to"),
        ("a date with a time", vec![("/spec/source/backfill/to", json!("2023-12-31T00:00:00Z"))], "spec.source.backfill.to"),
        ("a speed in words", vec![("/spec/source/replay/sessionsPerSecond", json!("fast"))], "sessionsPerSecond"),
        ("a speed as a number", vec![("/spec/source/replay/sessionsPerSecond", json!(5))], "sessionsPerSecond"),
        ("replay without speed", vec![("/spec/source/replay", json!({}))], "sessionsPerSecond: Required value"),
        ("an unknown adjustment", vec![("/spec/source/adjustment", json!("Dividends"))], "supported values"),
        ("bars of two minutes", vec![("/spec/source/interval", json!("2m"))], "supported values: \"1m\", \"5m\", \"15m\", \"30m\", \"1h\", \"1d\""),
        ("an interval as a number", vec![("/spec/source/interval", json!(60))], "must be of type string"),
        ("an empty name for the time", vec![("/spec/source/csv/columns/time", json!(""))], "spec.source.csv.columns.time"),
        ("a stamp in the middle", vec![("/spec/source/csv/dialect/stamp", json!("Middle"))], "supported values: \"Start\", \"End\""),
        ("an FTP source", vec![("/spec/source/csv/uri", json!("ftp://host/file.csv"))], "spec.source.csv.uri"),
        ("a bucket without a key", vec![("/spec/source/csv/uri", json!("s3://bucket"))], "spec.source.csv.uri"),
        ("S3 without an endpoint", vec![("/spec/source/csv/endpoint", json!(GONE)), ("/spec/source/csv/uri", json!("s3://bucket/key"))], "source.csv.endpoint must be set when source.csv.uri starts with s3://"),
        ("an endpoint that is no URL", vec![("/spec/source/csv/endpoint", json!("s3.example.com"))], "spec.source.csv.endpoint"),
        ("a very long URI", vec![("/spec/source/csv/uri", json!(format!("http://h/{}", "a".repeat(1024))))], "may not be more than 1024"),
        ("all buckets at once", vec![("/spec/source/csv/uri", json!("s3://*/daily.csv"))], "source.csv.uri may have * only behind the bucket"),
        ("a file that is polled each second", vec![("/spec/source/csv/poll", json!("5s"))], "source.csv.poll must be at least 10s"),
        ("a file that is polled without end", vec![("/spec/source/csv/poll", json!("0m"))], "source.csv.poll must be at least 10s"),
        ("a poll in words", vec![("/spec/source/csv/poll", json!("daily"))], "spec.source.csv.poll"),
        ("a symbol of the file that is none", vec![("/spec/source/csv/symbol", json!("A|B"))], "spec.source.csv.symbol"),
        ("an empty column name", vec![("/spec/source/csv/columns/date", json!(""))], "spec.source.csv.columns.date"),
        ("an unknown column", vec![("/spec/source/csv/columns/bid", json!("bid"))], "unknown field \"spec.source.csv.columns.bid\""),
        ("a flag as text", vec![("/spec/source/csv/zeroOpenIsMissing", json!("yes"))], "zeroOpenIsMissing"),
    ]
}

#[rustfmt::skip]
fn kafka_rows() -> Vec<Row> {
    vec![
        ("no Kafka", vec![("/spec/kafka", json!(GONE))], "spec.kafka: Required value"),
        ("Kafka without a port", vec![("/spec/kafka/bootstrapServers", json!("kafka"))], "spec.kafka.bootstrapServers"),
        ("Kafka as a URL", vec![("/spec/kafka/bootstrapServers", json!("kafka://kafka:9092"))], "spec.kafka.bootstrapServers"),
        ("options smuggled into the servers", vec![("/spec/kafka/bootstrapServers", json!("kafka:9092\nsasl.password=x"))], "spec.kafka.bootstrapServers"),
        ("no partition", vec![("/spec/kafka/partitions", json!(0))], "greater than or equal to 1"),
        ("65 partitions", vec![("/spec/kafka/partitions", json!(65))], "less than or equal to 64"),
        ("ten replicas of a topic", vec![("/spec/kafka/replicationFactor", json!(10))], "less than or equal to 9"),
        ("a topic prefix with a slash", vec![("/spec/kafka/topicPrefix", json!("a/b"))], "spec.kafka.topicPrefix"),
    ]
}

#[rustfmt::skip]
fn lake_rows() -> Vec<Row> {
    vec![
        ("no lake", vec![("/spec/lake", json!(GONE))], "spec.lake: Required value"),
        ("a lake on disk", vec![("/spec/lake/uri", json!("file:///data"))], "spec.lake.uri"),
        ("a lake with a trailing slash", vec![("/spec/lake/uri", json!("s3://bucket/lake/"))], "spec.lake.uri"),
        ("a lake with a query", vec![("/spec/lake/uri", json!("s3://bucket/lake?x=1"))], "spec.lake.uri"),
        ("a lake without keys", vec![("/spec/lake/secretName", json!(GONE))], "spec.lake.secretName: Required value"),
        ("a lake without an endpoint", vec![("/spec/lake/endpoint", json!(GONE))], "spec.lake.endpoint: Required value"),
        ("keys in the object", vec![("/spec/lake/accessKeyId", json!("AKIA"))], "unknown field \"spec.lake.accessKeyId\""),
        ("a secret of another namespace", vec![("/spec/lake/secretNamespace", json!("kube-system"))], "unknown field \"spec.lake.secretNamespace\""),
    ]
}

#[rustfmt::skip]
pub fn provider_rows() -> Vec<Row> {
    let simulator = json!({"seed": 1, "start": "2010-01-04", "sessions": 4000});
    vec![
        ("a provider beside a simulator", vec![("/spec/source/simulator", simulator)], "source must have exactly one of csv, provider, simulator and pipelineRef"),
        ("a replay of what arrives live", vec![("/spec/source/replay", json!({"sessionsPerSecond": "2"}))], "source.replay must not be set when source.provider is used"),
        ("a provider that is asked each second", vec![("/spec/source/provider/poll", json!("5s"))], "source.provider.poll must be at least 10s"),
        ("a provider that is asked without end", vec![("/spec/source/provider/poll", json!("0m"))], "source.provider.poll must be at least 10s"),
        ("a provider without an account", vec![("/spec/source/provider/account", json!(GONE))], "spec.source.provider.account: Required value"),
        ("an account of another namespace", vec![("/spec/source/provider/namespace", json!("other"))], "unknown field \"spec.source.provider.namespace\""),
        ("a key in the object", vec![("/spec/source/provider/apiKey", json!("ABC"))], "unknown field \"spec.source.provider.apiKey\""),
        ("sessions before there were any", vec![("/spec/source/provider/recheckSessions", json!(-1))], "greater than or equal to 0"),
        ("a year and more that is compared each day", vec![("/spec/source/provider/recheckSessions", json!(251))], "less than or equal to 250"),
        ("bars of two hours of a provider", vec![("/spec/source/interval", json!("2h"))], "supported values: \"1m\", \"5m\", \"15m\", \"30m\", \"1h\", \"1d\""),
        ("a fallback to the account itself", vec![("/spec/source/fallback/0/account", json!("alpha-vantage"))], "source.fallback must not name the account of source.provider"),
        ("a fallback twice", vec![("/spec/source/fallback", json!([{"account": "yahoo"}, {"account": "yahoo"}]))], "Duplicate value"),
        ("a fallback of three accounts", vec![("/spec/source/fallback", json!([{"account": "a"}, {"account": "b"}, {"account": "c"}]))], "must have at most 2 items"),
        ("a fallback without an account", vec![("/spec/source/fallback", json!([{}]))], "spec.source.fallback[0].account: Required value"),
        ("an account that confirms itself", vec![("/spec/source/quorum/account", json!("alpha-vantage"))], "source.quorum must name another account than source.provider"),
        ("a quorum without an account", vec![("/spec/source/quorum", json!({"tolerance": "0.01"}))], "spec.source.quorum.account: Required value"),
        ("a tolerance as a number", vec![("/spec/source/quorum/tolerance", json!(0.01))], "must be of type string"),
        ("minutes of two accounts", vec![("/spec/source/interval", json!("1m"))], "source.interval must be 1d when source.fallback or source.quorum is used"),
        ("a delay in words", vec![("/spec/source/provider/delay", json!("soon"))], "spec.source.provider.delay"),
    ]
}

#[rustfmt::skip]
pub fn pipeline_rows() -> Vec<Row> {
    let none = "source.backfill, source.replay and source.onSuspicion must not be set when source.pipelineRef is used";
    let one = "source must have exactly one of csv, provider, simulator and pipelineRef";
    vec![
        ("a provider beside another Pipeline", vec![("/spec/source/provider", json!({"account": "alpha-vantage"}))], one),
        ("a file beside another Pipeline", vec![("/spec/source/csv", json!({"uri": "http://h/f.csv"}))], one),
        ("a file and a provider beside another Pipeline", vec![("/spec/source/csv", json!({"uri": "http://h/f.csv"})), ("/spec/source/provider", json!({"account": "alpha-vantage"}))], one),
        ("a backfill of another Pipeline", vec![("/spec/source/backfill", json!({"to": "2023-12-31"}))], none),
        ("a beginning of another Pipeline", vec![("/spec/source/backfill", json!({"from": "2020-01-01"}))], none),
        ("a replay of another Pipeline", vec![("/spec/source/replay", json!({"sessionsPerSecond": "2"}))], none),
        ("mistakes of another Pipeline", vec![("/spec/source/onSuspicion", json!("Warn"))], none),
        ("a Pipeline that reads itself", vec![("/spec/source/pipelineRef/name", json!("base"))], "source.pipelineRef must name another Pipeline"),
        ("bars of a Pipeline without a name", vec![("/spec/source/pipelineRef/name", json!(GONE))], "spec.source.pipelineRef.name: Required value"),
        ("bars of a Pipeline of another namespace", vec![("/spec/source/pipelineRef/namespace", json!("other"))], "unknown field \"spec.source.pipelineRef.namespace\""),
        ("bars of a path", vec![("/spec/source/pipelineRef/name", json!("../prices"))], "spec.source.pipelineRef.name"),
    ]
}

#[rustfmt::skip]
pub fn simulator_rows() -> Vec<Row> {
    vec![
        ("a negative seed", vec![("/spec/source/simulator/seed", json!(-1))], "spec.source.simulator.seed"),
        ("no session", vec![("/spec/source/simulator/sessions", json!(0))], "spec.source.simulator.sessions"),
        ("a market of 400 years", vec![("/spec/source/simulator/sessions", json!(100_001))], "less than or equal to 100000"),
        ("a volatility in words", vec![("/spec/source/simulator/annualVolatility", json!("high"))], "annualVolatility"),
        ("a volatility that is no number", vec![("/spec/source/simulator/annualVolatility", json!("NaN"))], "annualVolatility"),
        ("a break at the start", vec![("/spec/source/simulator/break/atSession", json!(0))], "greater than or equal to 1"),
        ("a break without volatility", vec![("/spec/source/simulator/break/annualVolatility", json!(GONE))], "annualVolatility: Required value"),
        ("a start without a day", vec![("/spec/source/simulator/start", json!("2010-01"))], "spec.source.simulator.start"),
        ("65 simulated instruments", vec![("/spec/instruments", instruments(65))], "instruments must hold at most 64 entries when source.simulator is used"),
    ]
}
