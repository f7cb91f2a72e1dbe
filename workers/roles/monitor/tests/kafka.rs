//! The monitor against a real Kafka and S3: killed again and again and across a change of
//! champion, every bar has one forecast, a shifted market raises the alarm, and the distant past is not read.
//! Needs `FORESAIL_KAFKA`, `FORESAIL_S3_ENDPOINT`, `FORESAIL_S3_BUCKET` and AWS keys in the
//! environment; prints so and passes without.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use foresail_crds::Role;
use foresail_crds::model_manifest::{DataWindow, ModelManifest, ScalerParameters};
use foresail_crds::names::{PipelineName, sha256_hex};
use foresail_crds::pipeline::spec::{ModelKind, PipelineSpec, Target};
use foresail_crds::records::{FeatureRecord, PredictionRecord};
use foresail_crds::worker_config::{MonitorConfig, RoleConfig, ServedVersion, ServingConfig};
use foresail_drift::{Session, Sessions, build_reference};
use foresail_runtime_base::metrics::Registry;
use foresail_runtime_base::{Outside, RoleContext, Secrets, Shutdown, clock};
use foresail_runtime_kafka::{Reader, Record, Settings, Start, TransactionalProducer, admin};
use foresail_runtime_store::{S3Uri, Store};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const SYMBOLS: [&str; 3] = ["AAPL", "IBM", "MSFT"];
const TRAINED: i64 = 200;
/// Sessions before the first that a model is trained on: nobody needs them.
const PAST: i64 = 6_000;
const WINDOW: usize = 20;
const HORIZON: usize = 3;

fn noise(seed: i64) -> f64 {
    let mut x = (seed as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5851_F42D;
    x ^= x >> 29;
    x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x ^= x >> 32;
    (x >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

fn row(symbol: usize, session: i64) -> FeatureRecord {
    let shift = if session > TRAINED + 60 { 1.0 } else { 0.0 };
    FeatureRecord {
        symbol: SYMBOLS[symbol].into(),
        event_time: session * 86_400_000,
        close: 100.0 + 5.0 * noise(session * 10 + symbol as i64),
        adjustment_factor: 1.0,
        values: vec![noise(session * 70 + symbol as i64) + shift],
    }
}

/// The S3 keys of the environment as mounted secrets; the folder goes with the value.
struct Mounted(PathBuf);

impl Mounted {
    fn from_environment() -> Option<Self> {
        let Ok(key) = std::env::var("AWS_ACCESS_KEY_ID") else {
            eprintln!("skipped: no Kafka and S3 in the environment");
            return None;
        };
        let secret = std::env::var("AWS_SECRET_ACCESS_KEY").unwrap();
        let folder = std::env::temp_dir().join(format!("foresail-monitor-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("lake")).unwrap();
        std::fs::write(folder.join("lake/accessKeyId"), key).unwrap();
        std::fs::write(folder.join("lake/secretAccessKey"), secret).unwrap();
        Some(Self(folder))
    }

    fn secrets(&self) -> Secrets {
        Secrets::at(&self.0)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct World {
    mounted: Mounted,
    /// Metrics of the monitor that runs.
    registry: Registry,
    config: MonitorConfig,
    spec: PipelineSpec,
    settings: Settings,
    producer: TransactionalProducer,
    store: Store,
    serving: watch::Sender<ServingConfig>,
    sessions: i64,
}

impl World {
    async fn new(mounted: Mounted) -> Self {
        let outside = Outside::plain(mounted.secrets());
        let variable = |name: &str| std::env::var(name).unwrap();
        let spec: PipelineSpec = serde_json::from_value(serde_json::json!({
            "instruments": SYMBOLS.map(|s| serde_json::json!({ "symbol": s })),
            "source": { "csv": { "uri": "http://none/x.csv" } },
            "kafka": { "bootstrapServers": variable("FORESAIL_KAFKA") },
            "lake": {
                "uri": format!("s3://{}/it", variable("FORESAIL_S3_BUCKET")),
                "endpoint": variable("FORESAIL_S3_ENDPOINT"),
                "secretName": "mounted",
            },
            "features": [{ "name": "ret", "function": "LogReturn" }],
            "training": { "model": { "kind": "Naive" }, "horizon": HORIZON },
            "drift": { "windowSessions": WINDOW },
        }))
        .unwrap();
        let name = PipelineName::new("it-monitor", format!("m-{}", clock::now_ms()));
        let config = MonitorConfig::new(name, &spec);
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
        let id = config.pipeline.kafka_identity(Role::Stream);
        Self {
            mounted,
            registry: Registry::default(),
            producer: TransactionalProducer::open(&settings, &id).await.unwrap(),
            store: Store::of_lake(&config.lake, &outside).unwrap(),
            serving: watch::channel(ServingConfig::default()).0,
            config,
            spec,
            settings,
            sessions: 0,
        }
    }

    /// Writes `count` more sessions of feature rows, each by itself.
    async fn rows(&mut self, count: i64) {
        for session in self.sessions + 1..=self.sessions + count {
            let records = self.session(session).collect();
            self.producer.commit(records).await.unwrap();
        }
        self.sessions += count;
    }

    /// Writes the last `count` sessions before the first one.
    async fn past(&mut self, count: i64) {
        let sessions: Vec<i64> = (1 - count..=0).collect();
        for some in sessions.chunks(500) {
            let records = some.iter().flat_map(|session| self.session(*session));
            self.producer.commit(records.collect()).await.unwrap();
        }
    }

    /// Feature rows of a session.
    fn session(&self, session: i64) -> impl Iterator<Item = Record> + use<> {
        let topic = self.config.topics().features;
        (0..SYMBOLS.len()).map(move |symbol| {
            let row = row(symbol, session);
            Record {
                topic: topic.clone(),
                partition: Some(symbol as i32),
                key: Some(row.symbol.clone()),
                value: serde_json::to_vec(&row).unwrap(),
                headers: vec![
                    ("event_time".into(), row.event_time.to_string()),
                    ("fingerprint".into(), "print".into()),
                ],
                timestamp: None,
            }
        })
    }

    /// Stores a naive model and returns where it is.
    async fn model(&self, version: u32) -> ServedVersion {
        let sessions = (1..=TRAINED).map(|t| Session {
            event_time: t * 86_400_000,
            rows: (0..SYMBOLS.len()).map(|s| row(s, t).values).collect(),
        });
        let sessions = Sessions {
            names: vec!["ret".into()],
            sessions: sessions.collect(),
        };
        let manifest = ModelManifest {
            format_version: foresail_crds::model_manifest::FORMAT_VERSION,
            namespace: self.config.pipeline.namespace.clone(),
            pipeline: self.config.pipeline.name.clone(),
            run_id: format!("r{version}"),
            code_version: "0".into(),
            seed: 1,
            data: DataWindow {
                delta_version: 1,
                bars: 1,
                training_rows: 1,
                first_event_time: 0,
                trained_through: TRAINED * 86_400_000,
                data_through: TRAINED * 86_400_000,
                symbols: self.config.symbols(),
                refused_bars: vec![],
            },
            features: self.spec.features.clone(),
            adjustment: self.spec.source.adjustment,
            fingerprint: "print".into(),
            warm_up: 2,
            target: Target::LogReturn,
            horizon: HORIZON as u32,
            lookback: 1,
            kind: ModelKind::Naive,
            hidden: 0,
            layers: 0,
            sequence: 0,
            season: 0,
            instruction_set: String::new(),
            weights: None,
            golden: None,
            scaler: ScalerParameters {
                mean: vec![0.0],
                std: vec![1.0],
            },
            evaluation: vec![],
            gate: None,
            unseen_sessions: None,
            leak_guard: None,
            quantiles: None,
            recipe: None,
            card: None,
            report: None,
            drift_reference: build_reference(&sessions, WINDOW, 252.0).unwrap(),
        };
        let bytes = serde_json::to_vec(&manifest).unwrap();
        let folder = self.config.places().run(&format!("r{version}"));
        let uri = format!("{folder}/manifest.json");
        let served = ServedVersion {
            version,
            manifest_uri: uri.clone(),
            manifest_sha256: sha256_hex(&bytes),
        };
        let uri = S3Uri::parse(&uri).unwrap();
        self.store.put_new(&uri, bytes.into()).await.unwrap();
        served
    }

    fn promote(&self, champion: ServedVersion) {
        self.serving.send_replace(ServingConfig {
            champion: Some(champion),
            ..ServingConfig::default()
        });
    }

    fn start(&mut self) -> (JoinHandle<()>, Shutdown) {
        let (config, name) = (self.config.clone(), &self.config.pipeline);
        let secrets = self.mounted.secrets();
        let (context, _) = RoleContext::detached(config, Role::Monitor, name, secrets);
        let shutdown = context.shutdown.clone();
        self.registry = context.registry.clone();
        let serving = self.serving.subscribe();
        let task = tokio::spawn(async move {
            foresail_monitor::run(context, serving).await.unwrap();
        });
        (task, shutdown)
    }

    /// A gauge of the monitor that runs.
    fn gauge(&self, name: &str) -> f64 {
        let text = self.registry.encode();
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        value.map_or(0.0, |value| value.trim().parse().unwrap())
    }

    async fn predictions(&self) -> BTreeMap<(String, i64), PredictionRecord> {
        let topic = self.config.topics().predictions;
        let start = Start::Beginning;
        let mut reader = Reader::open(&self.settings, &topic, start).await.unwrap();
        let mut all = BTreeMap::new();
        while !reader.caught_up() {
            let wait = Duration::from_millis(300);
            for message in reader.next_batch(10_000, wait).await.unwrap() {
                let made: PredictionRecord = serde_json::from_slice(&message.value).unwrap();
                let key = (made.symbol.clone(), made.event_time);
                assert_eq!(message.key.as_ref(), Some(&made.symbol));
                assert!(all.insert(key, made).is_none(), "forecast twice");
            }
        }
        all
    }

    /// Waits until every bar after training has its forecast.
    async fn complete(&self) -> BTreeMap<(String, i64), PredictionRecord> {
        let wanted = SYMBOLS.len() * usize::try_from(self.sessions - TRAINED).unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let all = self.predictions().await;
            if all.len() == wanted {
                return all;
            }
            assert!(
                all.len() < wanted && Instant::now() < until,
                "{} of {wanted}",
                all.len()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_and_a_new_champion_leave_one_forecast_per_bar() {
    let Some(mounted) = Mounted::from_environment() else {
        return;
    };
    foresail_runtime_base::init("test");
    let mut world = World::new(mounted).await;
    let (first, second) = (world.model(1).await, world.model(2).await);
    world.past(PAST).await;
    world.rows(TRAINED + 5).await;
    let (task, _) = world.start();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(world.predictions().await.is_empty(), "no champion yet");
    world.promote(first);
    world.complete().await;
    task.abort();
    let read = world.gauge("foresail_monitor_rows_total");
    assert!(read < (3 * PAST) as f64, "{read} rows read");

    for round in 0..6_u64 {
        let (task, _) = world.start();
        world.rows(6).await;
        tokio::time::sleep(Duration::from_millis(20 + round * 200)).await;
        task.abort();
        let _ = task.await;
    }
    let (task, stop) = world.start();
    world.complete().await;
    let switched = world.sessions;
    world.promote(second);
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.rows(TRAINED + 60 - switched).await;
    world.complete().await;
    until("scored", || world.gauge("foresail_drift_threshold") > 0.0).await;
    assert_eq!(world.gauge("foresail_drift_alarm"), 0.0);
    world.rows(25).await;
    let all = world.complete().await;
    until("alarm", || world.gauge("foresail_drift_alarm") == 1.0).await;
    stop.cancel();
    task.await.unwrap();

    for made in all.values() {
        let session = made.event_time / 86_400_000;
        assert_eq!(made.model_version, if session <= switched { 1 } else { 2 });
        assert_eq!(made.forecast, vec![made.close; HORIZON], "naive");
    }
    let topics = world.config.topics();
    admin::delete_topics(&world.settings, &topics.all())
        .await
        .unwrap();
    let folder = S3Uri::parse(&world.config.places().folder).unwrap();
    assert_eq!(world.store.delete_folder(&folder).await.unwrap(), 2);
}
