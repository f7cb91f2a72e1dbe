//! The stream worker against a real Kafka and Redis: killed again and again, doubled, with Redis
//! emptied under it, its output is that of one undisturbed run.
//! Needs `FORESAIL_KAFKA` (host:port) and `FORESAIL_REDIS` (URL); prints so and passes without.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use foresail_crds::Role;
use foresail_crds::names::PipelineName;
use foresail_crds::pipeline::spec::{
    Adjustment, FeatureSetSpec, FeatureSpec, PipelineSpec, RedisSpec,
};
use foresail_crds::records::FeatureRecord;
use foresail_crds::training_parameters::LARGEST_LOOKBACK;
use foresail_crds::worker_config::{RoleConfig, StreamConfig};
use foresail_domain::{Bar, Interval};
use foresail_features::FeatureSet;
use foresail_runtime_base::metrics::Registry;
use foresail_runtime_base::{Outside, RoleContext, Secrets, Shutdown, clock};
use foresail_runtime_cache::Cache;
use foresail_runtime_kafka::{Reader, Record, Settings, Start, TransactionalProducer, admin};
use tokio::task::JoinHandle;

const SYMBOLS: [&str; 4] = ["AAPL", "IBM", "MSFT", "GE"];

fn config(test: &str) -> Option<StreamConfig> {
    let (Ok(kafka), Ok(redis)) = (
        std::env::var("FORESAIL_KAFKA"),
        std::env::var("FORESAIL_REDIS"),
    ) else {
        eprintln!("skipped: FORESAIL_KAFKA and FORESAIL_REDIS are not set");
        return None;
    };
    foresail_runtime_base::init("test");
    let spec: PipelineSpec = serde_json::from_value(serde_json::json!({
        "instruments": SYMBOLS.map(|s| serde_json::json!({ "symbol": s })),
        "source": { "csv": { "uri": "http://none/x.csv" }, "adjustment": "All" },
        "kafka": { "bootstrapServers": kafka },
        "lake": { "uri": "s3://none", "endpoint": "http://none", "secretName": "none" },
        "features": [
            { "name": "ret", "function": "LogReturn" },
            { "name": "vol", "function": "Volatility", "window": 10 },
            { "name": "rsi", "function": "Rsi", "window": 14 },
        ],
        "training": { "model": { "kind": "Linear" } },
        "serving": { "cache": { "redis": { "url": redis } } },
    }))
    .unwrap();
    let name = PipelineName::new("it-stream", format!("{test}-{}", clock::now_ms()));
    Some(StreamConfig::new(name, &spec))
}

fn bar(symbol: &str, day: i64) -> Bar {
    let phase = symbol.len() as f64 + f64::from(symbol.as_bytes()[0]);
    Bar {
        symbol: symbol.into(),
        interval: Interval::Session,
        event_time: day * 86_400_000,
        open: None,
        high: None,
        low: None,
        close: 100.0 + 10.0 * (day as f64 * 0.37 + phase).sin(),
        volume: Some(1_000.0),
        split_factor: if day % 97 == 0 { 2.0 } else { 1.0 },
        dividend: if day % 61 == 0 { 0.5 } else { 0.0 },
        ingested_at: 1_700_000_000_000 + day,
        provider: "test".into(),
        revision: 0,
    }
}

/// The servers of the test have no users: there is nothing to read.
fn secrets() -> Secrets {
    Secrets::at("/none")
}

struct World {
    config: StreamConfig,
    settings: Settings,
    producer: TransactionalProducer,
    cache: Cache,
    days: i64,
    /// Bars that changed the past.
    revised: BTreeMap<(String, i64), Bar>,
}

impl World {
    async fn new(config: StreamConfig) -> Self {
        let outside = Outside::plain(secrets());
        let settings = Settings::new(&config.kafka, &outside).unwrap();
        let topics: Vec<_> = config
            .topics()
            .all()
            .iter()
            .map(|name| admin::Topic {
                name: name.to_string(),
                partitions: 3,
                replication: 1,
                // Record timestamps are old on purpose; nothing may expire.
                config: vec![("retention.ms", "-1")],
            })
            .collect();
        admin::ensure_topics(&settings, &topics).await.unwrap();
        let id = config.pipeline.kafka_identity(Role::Ingest);
        let producer = TransactionalProducer::open(&settings, &id).await.unwrap();
        let redis: &RedisSpec = config.redis.as_ref().unwrap();
        let cache = Cache::open(
            redis,
            config.pipeline.redis_prefix(),
            &outside,
            &Registry::default(),
        );
        Self {
            config,
            settings,
            producer,
            cache,
            days: 0,
            revised: BTreeMap::new(),
        }
    }

    /// Writes `count` more sessions, some records twice, and now and then poison.
    async fn bars(&mut self, count: i64) {
        let topic = self.config.topics().bars;
        let record = |symbol: &str, value: Vec<u8>| Record {
            topic: topic.clone(),
            partition: None,
            key: Some(symbol.into()),
            value,
            headers: vec![],
            timestamp: None,
        };
        for day in self.days + 1..=self.days + count {
            let mut records = Vec::new();
            for symbol in SYMBOLS {
                let json = serde_json::to_vec(&bar(symbol, day)).unwrap();
                records.push(record(symbol, json.clone()));
                if day % 10 == 0 {
                    records.push(record(symbol, json));
                }
            }
            if day % 25 == 0 {
                records.push(record("AAPL", b"poison".to_vec()));
            }
            self.producer.commit(records).await.unwrap();
        }
        self.days += count;
    }

    /// Writes bars that change the past.
    async fn revise(&mut self, bars: &[Bar]) {
        let topic = self.config.topics().bars;
        let records = bars.iter().map(|bar| Record {
            topic: topic.clone(),
            partition: None,
            key: Some(bar.symbol.clone()),
            value: serde_json::to_vec(bar).unwrap(),
            headers: vec![],
            timestamp: None,
        });
        self.producer.commit(records.collect()).await.unwrap();
        for bar in bars {
            self.revised
                .insert((bar.symbol.clone(), bar.event_time), bar.clone());
        }
    }

    /// The bar of a day that counts.
    fn bar(&self, symbol: &str, day: i64) -> Bar {
        let plain = bar(symbol, day);
        let revised = self.revised.get(&(symbol.to_owned(), plain.event_time));
        revised.cloned().unwrap_or(plain)
    }

    /// Waits until the last row of every event time is that of the bars that count.
    async fn followed(&self) {
        let expected = self.expected();
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            // Sorted by symbol and event time, and by offset within them.
            let mut last = Vec::<FeatureRecord>::new();
            for row in self.rows().await {
                match last.last_mut() {
                    Some(before)
                        if (&before.symbol, before.event_time) == (&row.symbol, row.event_time) =>
                    {
                        *before = row;
                    }
                    _ => last.push(row),
                }
            }
            if last == expected {
                return;
            }
            assert!(
                Instant::now() < until,
                "{} of {} rows",
                last.len(),
                expected.len()
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn start(&self) -> (JoinHandle<()>, Shutdown) {
        let (config, name) = (self.config.clone(), &self.config.pipeline);
        let (context, _) = RoleContext::detached(config, Role::Stream, name, secrets());
        let shutdown = context.shutdown.clone();
        let task = tokio::spawn(async move { foresail_stream::run(context).await.unwrap() });
        (task, shutdown)
    }

    fn expected(&self) -> Vec<FeatureRecord> {
        self.expected_of(&self.config.features)
    }

    fn expected_of(&self, features: &[FeatureSpec]) -> Vec<FeatureRecord> {
        let mut rows = Vec::new();
        for symbol in SYMBOLS {
            let mut set = FeatureSet::new(features, Adjustment::All).unwrap();
            for day in 1..=self.days {
                if let Some(row) = set.push(&self.bar(symbol, day)).unwrap() {
                    rows.push(FeatureRecord {
                        symbol: symbol.into(),
                        event_time: row.event_time,
                        close: row.close,
                        adjustment_factor: row.adjustment_factor,
                        values: row.values,
                    });
                }
            }
        }
        rows
    }

    async fn read(&self, topic: &str) -> Vec<foresail_runtime_kafka::Message> {
        let mut reader = Reader::open(&self.settings, topic, Start::Beginning)
            .await
            .unwrap();
        let mut messages = Vec::new();
        while !reader.caught_up() {
            let wait = Duration::from_millis(300);
            messages.extend(reader.next_batch(10_000, wait).await.unwrap());
        }
        messages
    }

    async fn rows(&self) -> Vec<FeatureRecord> {
        self.rows_where(|_| true).await
    }

    async fn rows_of(&self, features: &[FeatureSpec]) -> Vec<FeatureRecord> {
        let fingerprint = foresail_features::fingerprint(features, Adjustment::All).unwrap();
        self.rows_where(|set| set == fingerprint).await
    }

    async fn rows_where(&self, wanted: impl Fn(&str) -> bool) -> Vec<FeatureRecord> {
        let mut rows: Vec<FeatureRecord> = self
            .read(&self.config.topics().features)
            .await
            .iter()
            .filter(|m| wanted(m.header("fingerprint").unwrap()))
            .map(|m| serde_json::from_slice(&m.value).unwrap())
            .collect();
        let order = |s: &str| SYMBOLS.iter().position(|x| *x == s);
        rows.sort_by_key(|r| (order(&r.symbol), r.event_time));
        rows
    }

    /// Waits until the features topic holds exactly what one undisturbed run writes.
    async fn settled(&self) {
        let expected = self.expected();
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let rows = self.rows().await;
            assert!(rows.len() <= expected.len(), "rows were written twice");
            if rows.len() == expected.len() {
                assert_eq!(rows, expected);
                return;
            }
            assert!(
                Instant::now() < until,
                "{} of {} rows",
                rows.len(),
                expected.len()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until Redis holds the newest rows of every symbol.
    async fn mirrored(&self) {
        let fingerprint =
            foresail_features::fingerprint(&self.config.features, Adjustment::All).unwrap();
        let mut newest: BTreeMap<String, Vec<FeatureRecord>> = BTreeMap::new();
        for row in self.expected() {
            newest.entry(row.symbol.clone()).or_default().push(row);
        }
        let until = Instant::now() + Duration::from_secs(20);
        for (symbol, rows) in newest {
            let wanted = rows[rows.len().saturating_sub(LARGEST_LOOKBACK as usize)..].to_vec();
            while self.cache.rows(&fingerprint, &symbol).await.as_ref() != Some(&wanted) {
                assert!(Instant::now() < until, "{symbol} is not in Redis");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    async fn clean(self) {
        let topics = self.config.topics();
        admin::delete_topics(&self.settings, &topics.all())
            .await
            .unwrap();
        self.cache.delete_prefix().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_restarts_and_doubles_change_nothing() {
    let Some(config) = config("kill") else { return };
    let mut world = World::new(config).await;
    for round in 0..8_u64 {
        let (task, _) = world.start();
        world.bars(40).await;
        // Killed at different points: while opening, recovering, in the middle, when done.
        tokio::time::sleep(Duration::from_millis(37 + round * 230)).await;
        task.abort();
        let _ = task.await;
    }
    let (first, stop_first) = world.start();
    let (second, stop_second) = world.start();
    world.bars(60).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    stop_first.cancel();
    first.await.unwrap();
    world.bars(20).await;
    world.settled().await;
    stop_second.cancel();
    second.await.unwrap();

    let refused = world.read(&world.config.topics().quarantine).await;
    assert_eq!(refused.len() as i64, world.days / 25, "poison, each once");
    let rows = world.read(&world.config.topics().features).await;
    for row in &rows {
        let symbol = row.key.as_deref().unwrap();
        let time = row.header("event_time").unwrap();
        let value: FeatureRecord = serde_json::from_slice(&row.value).unwrap();
        assert_eq!(
            (value.symbol.as_str(), value.event_time.to_string()),
            (symbol, time.into())
        );
        assert_eq!(
            row.timestamp,
            Some(1_700_000_000_000 + value.event_time / 86_400_000)
        );
        assert!(
            row.header("source_offset")
                .unwrap()
                .starts_with(&format!("{}:", row.partition))
        );
    }
    world.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_filled_and_refilled_after_a_flush() {
    let Some(config) = config("redis") else {
        return;
    };
    let mut world = World::new(config).await;
    world.bars(30).await;
    let (task, shutdown) = world.start();
    world.settled().await;
    world.mirrored().await;
    // Emptied while nothing happens, and again with new bars.
    world.cache.delete_prefix().await.unwrap();
    world.mirrored().await;
    world.cache.delete_prefix().await.unwrap();
    world.bars(2).await;
    world.mirrored().await;
    shutdown.cancel();
    task.await.unwrap();
    // Emptied while the worker is away: what it remembers comes from Kafka.
    world.cache.delete_prefix().await.unwrap();
    let (task, shutdown) = world.start();
    world.mirrored().await;
    shutdown.cancel();
    task.await.unwrap();
    world.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_feature_set_writes_all_rows_again() {
    let Some(config) = config("spec") else { return };
    let mut world = World::new(config).await;
    world.bars(30).await;
    let (task, shutdown) = world.start();
    world.settled().await;
    shutdown.cancel();
    task.await.unwrap();
    let old = world.rows().await.len();

    world.config.features.pop();
    let (task, shutdown) = world.start();
    let wanted = old + world.expected().len();
    let until = Instant::now() + Duration::from_secs(30);
    while world.rows().await.len() != wanted {
        assert!(Instant::now() < until);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    world.mirrored().await;
    shutdown.cancel();
    task.await.unwrap();
    world.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_version_that_serves_go_on_beside_those_that_are_declared() {
    let Some(config) = config("served") else {
        return;
    };
    let mut world = World::new(config).await;
    world.bars(30).await;
    let (task, shutdown) = world.start();
    world.settled().await;
    shutdown.cancel();
    task.await.unwrap();

    let served = world.config.features.clone();
    world.config.features.pop();
    world.config.served = vec![FeatureSetSpec {
        features: served.clone(),
        adjustment: Adjustment::All,
    }];
    for round in 0..3_u64 {
        let (task, _) = world.start();
        world.bars(20).await;
        tokio::time::sleep(Duration::from_millis(100 + round * 400)).await;
        task.abort();
        let _ = task.await;
    }
    let (task, shutdown) = world.start();
    let until = Instant::now() + Duration::from_secs(60);
    for features in [&served, &world.config.features] {
        let expected = world.expected_of(features);
        while world.rows_of(features).await.len() < expected.len() {
            assert!(Instant::now() < until);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(world.rows_of(features).await, expected);
    }
    world.mirrored().await;
    let refused = world.read(&world.config.topics().quarantine).await;
    assert_eq!(refused.len() as i64, world.days / 25, "poison, each once");
    shutdown.cancel();
    task.await.unwrap();
    world.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bars_that_change_the_past_are_followed_across_kills_and_in_redis() {
    let Some(config) = config("revised") else {
        return;
    };
    let mut world = World::new(config).await;
    world.bars(120).await;
    let (task, shutdown) = world.start();
    world.settled().await;
    let revision = |symbol: &str, day: i64, revision: u32| Bar {
        revision,
        close: 90.0 + f64::from(revision),
        ..bar(symbol, day)
    };
    // What is kept, and what Redis holds.
    world
        .revise(&[revision("IBM", 118, 1), revision("IBM", 117, 1)])
        .await;
    world.followed().await;
    world.mirrored().await;
    shutdown.cancel();
    task.await.unwrap();
    // A late split, of what a new process does not keep: it is killed wherever it is.
    let split = |symbol: &str| Bar {
        split_factor: 3.0,
        revision: 1,
        ..bar(symbol, 20)
    };
    world
        .revise(&[split("AAPL"), split("GE"), revision("MSFT", 119, 1)])
        .await;
    for round in 0..5_u64 {
        let (task, _) = world.start();
        world.bars(3).await;
        world.revise(&[revision("GE", 50, 2 + round as u32)]).await;
        tokio::time::sleep(Duration::from_millis(150 + round * 250)).await;
        task.abort();
        let _ = task.await;
    }
    let (context, _) = RoleContext::detached(
        world.config.clone(),
        Role::Stream,
        &world.config.pipeline,
        secrets(),
    );
    let (shutdown, registry) = (context.shutdown.clone(), context.registry.clone());
    let task = tokio::spawn(async move { foresail_stream::run(context).await.unwrap() });
    world.revise(&[revision("AAPL", 60, 1)]).await;
    world.followed().await;
    world.mirrored().await;
    let text = registry.encode();
    let looked_back = text
        .lines()
        .find_map(|line| line.strip_prefix("foresail_stream_look_backs_total "));
    assert!(looked_back.unwrap().parse::<f64>().unwrap() > 0.0, "{text}");
    let refused = world.read(&world.config.topics().quarantine).await;
    assert_eq!(refused.len() as i64, world.days / 25, "poison, each once");
    shutdown.cancel();
    task.await.unwrap();
    world.clean().await;
}
