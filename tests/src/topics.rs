//! Reads the topics of a Pipeline as any consumer would: committed records, oldest first.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use foresail_crds::names::{PipelineName, Topics};
use foresail_crds::records::{FeatureRecord, PredictionRecord, QuarantineRecord};
use foresail_crds::worker_config::KafkaAddress;
use foresail_domain::Bar;
use foresail_runtime_base::{Outside, Secrets};
use foresail_runtime_kafka::{
    Message, Reader, Record, Settings, Start, TransactionalProducer, admin,
};
use serde::de::DeserializeOwned;

use crate::Space;

const LIMIT: Duration = Duration::from_secs(120);
/// What a broker is that has no time.
const UNREACHABLE: &str = "KafkaUnreachable";
/// After so long a topic that goes on growing is read as far as it was when it was opened.
const GROWING: Duration = Duration::from_secs(5);

/// Topics of a Pipeline.
pub fn names(space: &Space, pipeline: &str) -> Topics {
    PipelineName::new(&space.name, pipeline).topics("")
}

/// Writes one record past the product, as anybody with access to Kafka can.
///
/// # Errors
/// When Kafka does not take it.
pub async fn write(space: &Space, record: Record) -> Result<()> {
    let identity = format!("{}-by-hand", record.topic);
    let mut producer = TransactionalProducer::open(&settings(space)?, &identity).await?;
    producer.commit(vec![record]).await?;
    Ok(())
}

/// Writes bars to the topic of a Pipeline as ingest does.
///
/// # Errors
/// When Kafka does not take one.
pub async fn write_bars(space: &Space, pipeline: &str, bars: &[Bar]) -> Result<()> {
    for bar in bars {
        let record = Record {
            topic: names(space, pipeline).bars,
            partition: None,
            key: Some(bar.symbol.clone()),
            value: serde_json::to_vec(bar)?,
            headers: vec![],
            timestamp: Some(bar.ingested_at),
        };
        write(space, record).await?;
    }
    Ok(())
}

/// Makes an empty topic.
///
/// # Errors
/// When Kafka refuses it.
pub async fn make(space: &Space, name: &str, partitions: i32) -> Result<()> {
    make_with(space, name, partitions, &[]).await
}

/// The same with settings, for example `retention.ms`.
///
/// # Errors
/// When Kafka refuses it.
pub async fn make_with(
    space: &Space,
    name: &str,
    partitions: i32,
    config: &[(&'static str, &'static str)],
) -> Result<()> {
    let topic = admin::Topic {
        name: name.to_owned(),
        partitions,
        replication: 1,
        config: config.to_vec(),
    };
    admin::ensure_topics(&settings(space)?, &[topic]).await?;
    Ok(())
}

/// Kafka of the node.
///
/// # Errors
/// When the address is refused.
pub fn settings(space: &Space) -> Result<Settings> {
    let address = KafkaAddress {
        bootstrap_servers: space.cluster.settings.kafka.clone(),
        secret_name: None,
        topic_prefix: String::new(),
    };
    // The Kafka of the node has no users: there is no secret to read.
    let outside = Outside::plain(Secrets::at("/none"));
    Settings::new(&address, &outside).context("Kafka settings")
}

/// Every committed record of a topic, in offset order per partition. Of one that goes on growing, at least those that were
/// there before.
///
/// # Errors
/// When Kafka does not answer in two minutes.
pub async fn read_all(space: &Space, topic: &str) -> Result<Vec<Message>> {
    let (begin, mut found) = (Instant::now(), Vec::new());
    let settings = settings(space)?;
    let mut reader = loop {
        match Reader::open(&settings, topic, Start::Beginning).await {
            Err(error) if error.reason == UNREACHABLE && begin.elapsed() < LIMIT => {}
            opened => break opened?,
        }
    };
    loop {
        let batch = match reader.next_batch(5_000, Duration::from_secs(1)).await {
            Err(error) if error.reason == UNREACHABLE && begin.elapsed() < LIMIT => continue,
            batch => batch?,
        };
        let over = batch.is_empty() || begin.elapsed() > GROWING;
        found.extend(batch);
        if over && reader.caught_up() {
            return Ok(found);
        }
        ensure!(
            begin.elapsed() < LIMIT,
            "topic {topic} does not end: {} records so far",
            found.len()
        );
    }
}

/// The values of a topic.
///
/// # Errors
/// When one is not of this type.
pub async fn values<T: DeserializeOwned>(space: &Space, topic: &str) -> Result<Vec<T>> {
    let messages = read_all(space, topic).await?;
    messages
        .iter()
        .map(|message| {
            serde_json::from_slice(&message.value).with_context(|| {
                format!(
                    "{topic} partition {} offset {} holds {}",
                    message.partition,
                    message.offset,
                    String::from_utf8_lossy(&message.value)
                )
            })
        })
        .collect()
}

/// Everything a Pipeline has written to Kafka.
pub struct Ledger {
    /// Good bars by symbol and event time.
    pub bars: BTreeMap<(String, i64), Bar>,
    /// Bars that came more than once.
    pub repeated_bars: usize,
    /// Refused rows.
    pub quarantine: Vec<QuarantineRecord>,
    /// Feature rows by symbol and event time.
    pub features: BTreeMap<(String, i64), FeatureRecord>,
    /// Feature rows that came more than once.
    pub repeated_features: usize,
    /// Repeats whose values were not the same, bit for bit.
    pub contradictions: usize,
    /// Forecasts of the champions by symbol, event time and version.
    pub predictions: BTreeMap<(String, i64, u32), PredictionRecord>,
    /// Forecasts that came more than once.
    pub repeated_predictions: usize,
}

impl Ledger {
    /// Reads the topics of a Pipeline from beginning to end.
    ///
    /// # Errors
    /// When Kafka does not answer or a record is not what it should be.
    pub async fn read(space: &Space, pipeline: &str) -> Result<Self> {
        let topics = names(space, pipeline);
        let bars = values::<Bar>(space, &topics.bars).await?;
        let features = values::<FeatureRecord>(space, &topics.features).await?;
        let predictions = values::<PredictionRecord>(space, &topics.predictions).await?;
        let mut contradictions = 0;
        // Read again after a restart, a row has another ingest time.
        let bars = bars
            .into_iter()
            .map(|b| Bar {
                ingested_at: 0,
                ..b
            })
            .collect();
        let bars = keyed(
            bars,
            |b| (b.symbol.clone(), b.event_time),
            &mut contradictions,
        );
        let features = keyed(
            features,
            |f| (f.symbol.clone(), f.event_time),
            &mut contradictions,
        );
        let predictions = keyed(
            predictions,
            |p| (p.symbol.clone(), p.event_time, p.model_version),
            &mut contradictions,
        );
        Ok(Self {
            bars: bars.0,
            repeated_bars: bars.1,
            quarantine: values(space, &topics.quarantine).await?,
            features: features.0,
            repeated_features: features.1,
            contradictions,
            predictions: predictions.0,
            repeated_predictions: predictions.1,
        })
    }

    /// Bars of each symbol.
    pub fn per_symbol(&self) -> BTreeMap<String, usize> {
        self.bars
            .keys()
            .fold(BTreeMap::new(), |mut counts, (symbol, _)| {
                *counts.entry(symbol.clone()).or_default() += 1;
                counts
            })
    }
}

fn keyed<K: Ord, T: PartialEq>(
    items: Vec<T>,
    key: impl Fn(&T) -> K,
    contradictions: &mut usize,
) -> (BTreeMap<K, T>, usize) {
    let (mut found, mut repeated) = (BTreeMap::new(), 0);
    for item in items {
        if let Some(before) = found.get(&key(&item)) {
            repeated += 1;
            *contradictions += usize::from(*before != item);
        } else {
            found.insert(key(&item), item);
        }
    }
    (found, repeated)
}
