//! What the tests of the server share: a configuration, a model that is known to be right, the server.

use std::sync::Arc;

use foresail_crds::model_manifest::{ResidualQuantiles, ScalerParameters};
use foresail_crds::names::PipelineName;
use foresail_crds::pipeline::spec::{Adjustment, FeatureSetSpec, Target};
use foresail_crds::records::FeatureRecord;
use foresail_crds::worker_config::{PredictConfig, RoleConfig, ServedVersion};
use foresail_domain::Interval;
use foresail_model::linear::Linear;
use foresail_model::{Predictor, SingleModel, Sizes};
use foresail_runtime_base::metrics::Registry;
use foresail_runtime_base::{Outside, Secrets};
use serde_json::{Value, json};

use crate::registry::Here;
use crate::server::open;
use crate::state::{Loaded, State};

pub(crate) fn config() -> PredictConfig {
    let spec = serde_json::from_value(json!({
        "instruments": [{"symbol": "X"}],
        "source": {"csv": {"uri": "http://h/f.csv"}},
        "kafka": {"bootstrapServers": "127.0.0.1:1"},
        "lake": {"uri": "s3://bucket", "endpoint": "http://s3", "secretName": "s"},
        "features": returns(), "training": {"model": {"kind": "Linear"}, "horizon": 2},
        "serving": {"cache": {"ttl": "1s"}}
    }));
    PredictConfig::new(PipelineName::new("n", "p"), &spec.unwrap())
}

pub(crate) fn model(version: u32) -> Arc<Loaded> {
    changing(version, f64::from(version) / 100.0, Target::Close)
}

/// A version that always forecasts the same change.
pub(crate) fn changing(version: u32, change: f64, target: Target) -> Arc<Loaded> {
    let linear = Linear {
        intercepts: vec![change; 2],
        coefficients: vec![vec![0.0]; 2],
    };
    let digest = format!("{version}-{change}");
    let served = ServedVersion {
        version,
        manifest_uri: String::new(),
        manifest_sha256: digest.clone(),
    };
    Arc::new(Loaded {
        digest: digest.into(),
        served,
        predictor: Predictor::new(SingleModel::Linear(linear), scaler(), sizes(target)),
        fingerprint: fingerprint(&feature_set(returns())),
        feature_set: feature_set(returns()),
        signature: Default::default(),
        panics: false,
        quantiles: Some(ResidualQuantiles {
            levels: vec![0.25, 0.75],
            steps: vec![vec![-0.5, 0.25], vec![-0.75, 0.5]],
            count: 8,
        }),
    })
}

/// A version whose forecasts follow the newest feature, without quantiles.
pub(crate) fn following(version: u32) -> Arc<Loaded> {
    let mut loaded = Arc::into_inner(model(version)).unwrap();
    let linear = Linear {
        intercepts: vec![0.001, -0.002],
        coefficients: vec![vec![0.5], vec![-1.25]],
    };
    let sizes = sizes(Target::LogReturn);
    loaded.predictor = Predictor::new(SingleModel::Linear(linear), scaler(), sizes);
    loaded.quantiles = None;
    Arc::new(loaded)
}

/// A version that repeats what was `season` rows ago.
pub(crate) fn seasonal(version: u32, season: usize) -> Arc<Loaded> {
    let mut loaded = Arc::into_inner(model(version)).unwrap();
    let sizes = Sizes {
        season,
        ..sizes(Target::Close)
    };
    loaded.predictor = Predictor::new(SingleModel::Seasonal(season), scaler(), sizes);
    Arc::new(loaded)
}

/// A version that was trained on these features.
pub(crate) fn reading(version: u32, features: Value) -> Arc<Loaded> {
    let mut loaded = Arc::into_inner(model(version)).unwrap();
    loaded.feature_set = feature_set(features);
    loaded.fingerprint = fingerprint(&loaded.feature_set);
    Arc::new(loaded)
}

fn feature_set(features: Value) -> FeatureSetSpec {
    FeatureSetSpec {
        features: serde_json::from_value(features).unwrap(),
        adjustment: Adjustment::All,
    }
}

fn fingerprint(set: &FeatureSetSpec) -> String {
    foresail_features::fingerprint(&set.features, set.adjustment).unwrap()
}

/// Rows of the features that the versions here read.
pub(crate) fn put(state: &State, rows: impl IntoIterator<Item = FeatureRecord>) {
    let fingerprint = fingerprint(&feature_set(returns()));
    state.table.want(&fingerprint);
    state.table.extend(&fingerprint, rows);
}

fn scaler() -> ScalerParameters {
    ScalerParameters {
        mean: vec![0.0],
        std: vec![1.0],
    }
}

fn sizes(target: Target) -> Sizes {
    Sizes {
        features: 1,
        steps: 2,
        hidden: 0,
        layers: 0,
        sequence: 1,
        season: 1,
        target,
    }
}

pub(crate) fn row(event_time: i64) -> FeatureRecord {
    FeatureRecord {
        symbol: "X".into(),
        event_time,
        close: 100.0,
        adjustment_factor: 1.0,
        values: vec![0.0],
    }
}

/// A state that logs nothing.
pub(crate) fn state() -> Arc<State> {
    let mut state = logging();
    state.log = None;
    Arc::new(state)
}

/// A state of a Pipeline of bars of this interval.
pub(crate) fn state_of(interval: Interval) -> Arc<State> {
    let mut state = opened(PredictConfig {
        interval,
        ..config()
    });
    state.log = None;
    Arc::new(state)
}

/// A state with a log that nobody takes.
pub(crate) fn logging() -> State {
    opened(config())
}

fn opened(config: PredictConfig) -> State {
    let registry = Registry::default();
    let outside = Outside::new(Secrets::at("/none"), &registry, None);
    open(config, outside, &registry)
}

pub(crate) fn returns() -> Value {
    json!([{"name": "r", "function": "LogReturn"}])
}

/// The server of the tests, with the routes and the guard of the real one.
macro_rules! app {
    ($state:expr) => {
        ::actix_web::test::init_service(
            ::actix_web::App::new()
                .app_data(::actix_web::web::Data::new(::std::sync::Arc::clone(
                    &$state,
                )))
                .wrap(::actix_web::middleware::from_fn(
                    $crate::routes::guard::guard,
                ))
                .configure($crate::routes::configure),
        )
        .await
    };
}

pub(crate) use app;

impl State {
    /// Lets a version answer, whatever the serving configuration says.
    pub(crate) fn answer_with(&self, champion: Arc<Loaded>) {
        let here = Here {
            champion: Some(champion),
            ..(*self.registry.here()).clone()
        };
        self.registry.swap(here);
    }
}
