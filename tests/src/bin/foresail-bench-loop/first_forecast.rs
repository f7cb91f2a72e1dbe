//! From `kubectl apply` to the first forecast of every symbol: topics, probes, backfill, features,
//! the first training Job, predictors.

use std::time::{Duration, Instant};

use anyhow::Result;
use foresail_tests::predictor::Predictor;
use foresail_tests::{Cluster, Space, pipelines, until};
use serde_json::Value;

use crate::{figures, in_space};

const RUNS: usize = 3;
const LIMIT: Duration = Duration::from_secs(300);

/// Three runs of each example, each in a namespace of its own.
pub async fn measure(cluster: &Cluster) -> Result<()> {
    let mut examples = vec![("simulator.yaml", "6,000 simulated bars")];
    if cluster.settings.data.is_some() {
        examples.push(("pipeline.yaml", "5,500 real bars"));
    }
    for (file, what) in examples {
        let mut seconds = Vec::new();
        for _ in 0..RUNS {
            in_space(cluster, "bench", async |space| {
                let mut object = space.example(&format!("examples/demo/{file}"))?;
                // The backfill alone: a replay would run beside the next measurement.
                if let Some(source) = object["spec"]["source"].as_object_mut() {
                    source.remove("replay");
                }
                seconds.push(once(space, &object).await?);
                Ok(())
            })
            .await?;
        }
        figures::print_runs(&format!("apply to first forecasts, {what}"), "s", seconds);
    }
    Ok(())
}

async fn once(space: &Space, object: &Value) -> Result<f64> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let symbols = pipelines::symbols(object);
    let begin = Instant::now();
    space.apply_pipeline(object).await?;
    until("the first forecasts", LIMIT, async || {
        let predictor = Predictor::find(space, name).await?;
        for symbol in &symbols {
            predictor.forecast(symbol).await?;
        }
        Ok(())
    })
    .await?;
    Ok(begin.elapsed().as_secs_f64())
}
