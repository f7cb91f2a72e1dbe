//! Secrets are used, right and wrong ones, and nobody who may not read a Secret sees them.

use std::time::Duration;

use anyhow::{Context, Result};
use foresail_tests::secrets::Secrets;
use foresail_tests::{Space, in_namespace, pipelines};
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use super::sources::{Vendor, file, newest_sessions, reading};

const SHOWN: Duration = Duration::from_secs(300);
const READY: Duration = Duration::from_secs(300);

/// What is wrong is where programs talk most, and where servers repeat what they were told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_stay_out_of_sight() -> Result<()> {
    in_namespace("leak", async |space| {
        let mut secrets = Secrets::default();
        // The name of the key is that of the project: it is everywhere.
        secrets.add("the key of S3", &space.cluster.settings.secret_key);
        let token = secrets.make("the token of the source");
        let password = secrets.make("the password of Redis");
        let vendor = Vendor::start(&space, file(&newest_sessions()?)?.0, &token).await?;
        let uri = format!("{}/daily/bars.csv.gz", vendor.server.url());
        let (ours, host) = (vendor.server.host(), redis_host(&space)?);
        put(&space, "vendor", json!({"token": token, "hosts": ours, "plaintext": "true"})).await?;
        let known = json!({"username": "default", "password": password, "hosts": host, "plaintext": "true"});
        put(&space, "redis", known).await?;
        let mut good = reading(&space, "leak", &uri);
        good["spec"]["serving"]["cache"]["redis"]["secretName"] = json!("redis");
        space.apply_pipeline(&good).await?;

        let wrong = secrets.make("the wrong token of the source");
        put(&space, "wrong-token", json!({"token": wrong, "hosts": ours, "plaintext": "true"})).await?;
        let mut stranger = reading(&space, "leak-source", &uri);
        stranger["spec"]["source"]["csv"]["secretName"] = json!("wrong-token");
        space.apply_pipeline(&stranger).await?;
        refused_elsewhere(&space, &mut secrets, &host).await?;

        for (name, word) in [
            ("leak-source", "SourceAccessDenied"),
            ("leak-kafka", "Kafka"),
            ("leak-s3", "S3AccessDenied"),
            ("leak-redis", "Redis"),
        ] {
            pipelines::explained(&space, name, word, SHOWN).await?;
        }
        pipelines::ready(&space, "leak", READY).await?;
        println!("{}", secrets.stay_out_of_sight(&space).await?);
        Ok(())
    })
    .await
}

/// Pipelines whose Kafka, S3 and Redis refuse them.
async fn refused_elsewhere(space: &Space, secrets: &mut Secrets, redis: &str) -> Result<()> {
    let user = secrets.make("the wrong user of Kafka");
    let password = secrets.make("the wrong password of Kafka");
    put(
        space,
        "wrong-kafka",
        json!({"username": user, "password": password}),
    )
    .await?;
    let mut object = pipelines::small(space, "leak-kafka");
    object["spec"]["kafka"]["secretName"] = json!("wrong-kafka");
    space.apply_pipeline(&object).await?;

    let key = secrets.make("the wrong name of a key of S3");
    let secret = secrets.make("the wrong key of S3");
    space.put_s3_secret("wrong-s3", &key, &secret).await?;
    let mut object = pipelines::small(space, "leak-s3");
    object["spec"]["lake"]["secretName"] = json!("wrong-s3");
    space.apply_pipeline(&object).await?;

    // Without the name of a user Redis refuses any password where none is set.
    let password = secrets.make("the wrong password of Redis");
    let data = json!({"password": password, "hosts": redis, "plaintext": "true"});
    put(space, "wrong-redis", data).await?;
    let mut object = pipelines::small(space, "leak-redis");
    object["spec"]["serving"]["cache"]["redis"]["secretName"] = json!("wrong-redis");
    space.apply_pipeline(&object).await.map(drop)
}

async fn put(space: &Space, name: &str, data: Value) -> Result<()> {
    let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
        "stringData": data});
    space.apply::<Secret>(name, &object).await.map(drop)
}

fn redis_host(space: &Space) -> Result<String> {
    let url = space.cluster.settings.redis.as_str();
    let host = url
        .split("://")
        .nth(1)
        .and_then(|rest| rest.split(':').next());
    host.map(str::to_owned).context("Redis has no host")
}
