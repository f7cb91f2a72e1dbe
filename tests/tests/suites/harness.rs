//! The instruments themselves: a measurement is worth what its instrument is.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foresail_runtime_kafka::{LARGEST_RECORD, Reader, Record, Start, TransactionalProducer, admin};
use foresail_tests::topics::{self, read_all, settings};
use foresail_tests::{audit, in_namespace, on_cluster, redis, s3, until};
use rand::RngCore;
use serde_json::json;

/// However busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test]
async fn s3_objects_are_listed_read_and_replaced() -> Result<()> {
    on_cluster(async |cluster| {
        let key = format!("tests/harness-{:08x}/a b.json", rand::random::<u32>()).replace(' ', "-");
        ensure!(
            s3::get(&cluster, &key).await?.is_none(),
            "{key} is there already"
        );
        for text in ["first", "second \"quoted\"\nline"] {
            s3::put(&cluster, &key, text).await?;
            let stored = s3::get(&cluster, &key).await?.context("nothing stored")?;
            ensure!(stored == text, "stored {stored:?}");
        }
        let folder = key.rsplit_once('/').context("no folder")?.0;
        ensure!(
            s3::list(&cluster, folder).await? == [key.clone()],
            "listing {folder}"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn redis_lists_keys() -> Result<()> {
    on_cluster(async |cluster| {
        let none = redis::keys(&cluster, "no-such-key-*").await?;
        ensure!(none.is_empty(), "{none:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn topics_are_read_to_their_end_without_aborted_records() -> Result<()> {
    in_namespace("topics", async |space| {
        let (settings, topic) = (settings(&space)?, format!("{}.harness", space.name));
        until("a missing topic is refused", PATIENCE, async || {
            let refused = read_all(&space, &topic).await.err();
            let refused = refused.context("a missing topic was read")?;
            let text = format!("{refused:#}");
            ensure!(text.contains("does not exist"), "{text}");
            Ok(())
        })
        .await?;
        topics::make(&space, &topic, 3).await?;
        ensure!(
            read_all(&space, &topic).await?.is_empty(),
            "a new topic holds records"
        );
        let mut producer = until("a producer", PATIENCE, async || {
            Ok(TransactionalProducer::open(&settings, &topic).await?)
        })
        .await?;
        for batch in 0..5 {
            let records = (0..20).map(|i| Record {
                topic: topic.clone(),
                partition: None,
                key: Some(format!("key-{i}")),
                value: format!("{batch}").into_bytes(),
                headers: vec![("event_time".into(), "7".into())],
                timestamp: None,
            });
            producer.commit(records.collect()).await?;
        }
        let found = read_all(&space, &topic).await?;
        ensure!(found.len() == 100, "{} of 100 records", found.len());
        ensure!(
            found.iter().all(|m| m.header("event_time") == Some("7")),
            "a header is lost"
        );
        admin::delete_topics(&settings, &[&topic]).await?;
        until("the topic is gone", PATIENCE, async || {
            ensure!(read_all(&space, &topic).await.is_err(), "still there");
            Ok(())
        })
        .await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_of_a_topic_that_never_rests_has_caught_up_all_the_same() -> Result<()> {
    in_namespace("busy", async |space| {
        let (settings, topic) = (settings(&space)?, format!("{}.busy", space.name));
        topics::make(&space, &topic, 1).await?;
        let mut producer = TransactionalProducer::open(&settings, &topic).await?;
        let record = Record {
            topic: topic.clone(),
            partition: None,
            key: None,
            value: b"bar".to_vec(),
            headers: vec![],
            timestamp: None,
        };
        for _ in 0..10 {
            producer.commit(vec![record.clone()]).await?;
        }
        let writer = tokio::spawn(async move {
            // Less than the time after which the broker says that a partition has no more.
            while producer.commit(vec![record.clone()]).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let mut reader = Reader::open(&settings, &topic, Start::Beginning).await?;
        let mut read = 0;
        while !reader.caught_up() && read < 500 {
            read += reader.next_batch(100, Duration::from_secs(1)).await?.len();
        }
        writer.abort();
        ensure!(reader.caught_up(), "not caught up after {read} records");
        ensure!(read >= 10, "caught up after {read} of 10 records");
        admin::delete_topics(&settings, &[&topic]).await?;
        Ok(())
    })
    .await
}

/// The state of 64 features with windows of 512 sessions over three columns takes 2 MB as JSON.
#[tokio::test]
async fn a_state_as_large_as_any_spec_makes_it_fits_its_topic() -> Result<()> {
    in_namespace("large", async |space| {
        let (settings, topic) = (settings(&space)?, format!("{}.large", space.name));
        let largest = [
            ("cleanup.policy", "compact"),
            ("max.message.bytes", LARGEST_RECORD),
        ];
        topics::make_with(&space, &topic, 1, &largest).await?;
        let mut producer = TransactionalProducer::open(&settings, &topic).await?;
        // What does not compress.
        let mut value = vec![0; 4 << 20];
        rand::rng().fill_bytes(&mut value);
        let record = Record {
            topic: topic.clone(),
            partition: None,
            key: Some("0/X".into()),
            value: value.clone(),
            headers: vec![],
            timestamp: None,
        };
        producer.commit(vec![record]).await?;
        let found = read_all(&space, &topic).await?;
        ensure!(found.len() == 1, "{} records", found.len());
        ensure!(found[0].value == value, "another value");
        admin::delete_topics(&settings, &[&topic]).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_audit_log_knows_who_wrote() -> Result<()> {
    in_namespace("audit", async |space| {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "seen"}, "data": {"a": "b"}});
        space.apply::<k8s_openapi::api::core::v1::ConfigMap>("seen", &map).await?;
        let written = until("an audit record", PATIENCE, async || {
            let all = audit::writes(&space.cluster, &space.name)?;
            all.into_iter().find(|w| w.resource == "configmaps" && w.name == "seen").context("nothing about it")
        })
        .await?;
        ensure!(written.code == 201 && written.verb == "patch", "{written:?}");
        ensure!(!written.user.is_empty(), "nobody wrote it");
        Ok(())
    })
    .await
}
