//! Somebody reaches into the Kafka and the Redis of a Pipeline; what its programs count of it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foresail_crds::Role;
use foresail_crds::names::{PipelineName, Topics};
use foresail_crds::records::{FeatureRecord, header};
use foresail_runtime_kafka::{Record, TransactionalProducer, admin};
use foresail_tests::metrics::{self, Scenario};
use foresail_tests::predictor::{Asker, Predictor};
use foresail_tests::{Space, redis, topics, until};

/// Redis is looked at every three seconds, and asked by a machine that has other things to do.
const REPAIRED: Duration = Duration::from_secs(60);

/// What only goes wrong when somebody reaches in. The last that happens to the Pipeline.
pub async fn disturbed(
    space: &Space,
    name: &str,
    ours: &Topics,
    predictor: &Predictor,
) -> Result<String> {
    let settings = topics::settings(space)?;
    let pipeline = PipelineName::new(&space.name, name);
    // Rows that Redis has lost.
    let rows = format!("fs:{}/{name}:rows:*", space.name);
    let before = redis::entries(&space.cluster, &rows).await?;
    ensure!(redis::remove(&space.cluster, &rows).await? > 0, "no rows");
    until("the rows are back", REPAIRED, async || {
        let now = redis::entries(&space.cluster, &rows).await?;
        ensure!(now >= before, "{now} of {before} rows");
        Ok(())
    })
    .await?;
    // Another instance of the workers.
    for role in [Role::Stream, Role::Monitor] {
        TransactionalProducer::open(&settings, &pipeline.kafka_identity(role)).await?;
    }
    // No bar, and a row that no model takes.
    let record = |topic: &str, value: Vec<u8>, headers| Record {
        topic: topic.to_owned(),
        partition: None,
        key: Some("SIMA".into()),
        value,
        headers,
        timestamp: None,
    };
    topics::write(space, record(&ours.bars, b"no bar".to_vec(), vec![])).await?;
    let now = space
        .pipelines()
        .get(name)
        .await?
        .status
        .context("no status")?;
    let stream = now.stream.context("no status.stream")?;
    let newest = stream.last_event_time.context("no row")?.0.as_millisecond();
    let row = FeatureRecord {
        symbol: "SIMA".into(),
        event_time: newest + 30 * 86_400_000,
        close: 1.0,
        adjustment_factor: 1.0,
        values: vec![],
    };
    let fingerprint = vec![(header::FINGERPRINT.to_owned(), stream.fingerprint)];
    let value = serde_json::to_vec(&row)?;
    topics::write(space, record(&ours.features, value, fingerprint)).await?;
    // No topic for what is served; Kafka is given half a minute to have it.
    admin::delete_topics(&settings, &[&ours.served]).await?;
    let asker = Asker::start(
        predictor.clone(),
        vec!["SIMB".into()],
        Duration::from_millis(500),
    );
    let moved = metrics::check(space, name, Scenario::ByHand).await;
    asker.finish().await?;
    moved
}
