//! Features, training, serving, drift, retraining, promotion.

use serde_json::{Value, json};

use super::{GONE, Row};

pub fn rows() -> Vec<Row> {
    [
        feature_rows(),
        training_rows(),
        serving_rows(),
        drift_rows(),
        promotion_rows(),
    ]
    .concat()
}

fn features(count: usize) -> Value {
    (0..count)
        .map(|i| json!({"name": format!("f{i}"), "function": "LogReturn"}))
        .collect()
}

fn one(feature: Value) -> Vec<(&'static str, Value)> {
    vec![
        ("/spec/features", json!([feature])),
        ("/spec/drift/features", json!([])),
    ]
}

#[rustfmt::skip]
fn feature_rows() -> Vec<Row> {
    vec![
        ("no features", vec![("/spec/features", json!(GONE))], "spec.features: Required value"),
        ("empty features", vec![("/spec/features", json!([]))], "spec.features"),
        ("65 features", vec![("/spec/features", features(65)), ("/spec/drift/features", json!([]))], "must have at most 64 items"),
        ("a feature twice", vec![("/spec/features", json!([{"name": "a", "function": "LogReturn"}, {"name": "a", "function": "LogReturn"}]))], "Duplicate value"),
        ("a feature name with a capital", one(json!({"name": "Return", "function": "LogReturn"})), "spec.features[0].name"),
        ("a feature name with SQL", one(json!({"name": "a; drop table bars", "function": "LogReturn"})), "spec.features[0].name"),
        ("an unknown function", one(json!({"name": "a", "function": "Oracle"})), "supported values"),
        ("a function without its window", one(json!({"name": "a", "function": "Rsi"})), "features[].window must be set for this function"),
        ("a window of nothing", one(json!({"name": "a", "function": "Rsi", "window": 0})), "greater than or equal to 1"),
        ("a window of 513", one(json!({"name": "a", "function": "Rsi", "window": 513})), "less than or equal to 512"),
        ("a deviation over one session", one(json!({"name": "a", "function": "Volatility", "window": 1})), "features[].window must be at least 2 for this function"),
        ("Macd without windows", one(json!({"name": "a", "function": "Macd"})), "features[].fast and slow must be set with fast < slow for Macd functions"),
        ("Macd the wrong way round", one(json!({"name": "a", "function": "Macd", "fast": 26, "slow": 12})), "features[].fast and slow must be set with fast < slow for Macd functions"),
        ("MacdSignal without a signal", one(json!({"name": "a", "function": "MacdSignal", "fast": 12, "slow": 26})), "features[].signal must be set for MacdSignal, MacdHistogram and StochasticD"),
        ("StochasticD without a signal", one(json!({"name": "a", "function": "StochasticD", "window": 14})), "features[].signal must be set for MacdSignal, MacdHistogram and StochasticD"),
        ("an average true range without a window", one(json!({"name": "a", "function": "AtrRatio"})), "features[].window must be set for this function"),
        ("Bollinger without deviations", one(json!({"name": "a", "function": "BollingerWidth", "window": 20})), "features[].deviations must be set for Bollinger functions"),
        ("a rolling deviation over one session", one(json!({"name": "a", "function": "RollingStd", "window": 1})), "features[].window must be at least 2 for this function"),
        ("a rolling mean without a window", one(json!({"name": "a", "function": "RollingMean", "column": "High"})), "features[].window must be set for this function"),
        ("Expression without an expression", one(json!({"name": "a", "function": "Expression"})), "features[].expression must be set for Expression, and for no other function"),
        ("an expression of a return", one(json!({"name": "a", "function": "LogReturn", "expression": "1 + 1"})), "features[].expression must be set for Expression, and for no other function"),
        ("RollingQuantile without a quantile", one(json!({"name": "a", "function": "RollingQuantile", "window": 5})), "features[].quantile must be set for RollingQuantile, and for no other function"),
        ("a quantile of a mean", one(json!({"name": "a", "function": "RollingMean", "window": 5, "quantile": "0.5"})), "features[].quantile must be set for RollingQuantile, and for no other function"),
        ("a quantile above the highest", one(json!({"name": "a", "function": "RollingQuantile", "window": 5, "quantile": "1.5"})), "features[].quantile must be between 0 and 1"),
        ("a column of a function that has its own", one(json!({"name": "a", "function": "SmaRatio", "window": 5, "column": "High"})), "features[].column must only be set for Rolling functions"),
        ("a rolling mean of a column no bar has", one(json!({"name": "a", "function": "RollingMean", "window": 5, "column": "Bid"})), "supported values"),
        ("a mistyped parameter", one(json!({"name": "a", "function": "Rsi", "windows": 14})), "unknown field \"spec.features[0].windows\""),
    ]
}

#[rustfmt::skip]
fn training_rows() -> Vec<Row> {
    vec![
        ("no training", vec![("/spec/training", json!(GONE))], "spec.training: Required value"),
        ("no model", vec![("/spec/training/model", json!(GONE))], "spec.training.model: Required value"),
        ("an unknown model", vec![("/spec/training/model/kind", json!("Transformer"))], "supported values"),
        ("no step ahead", vec![("/spec/training/horizon", json!(0))], "greater than or equal to 1"),
        ("61 steps ahead", vec![("/spec/training/horizon", json!(61))], "less than or equal to 60"),
        ("a lookback of 257", vec![("/spec/training/lookback", json!(257))], "less than or equal to 256"),
        ("all rows for validation", vec![("/spec/training/validationFraction", json!("1"))], "training.validationFraction must be between 0.05 and 0.5"),
        ("no row for validation", vec![("/spec/training/validationFraction", json!("0.01"))], "training.validationFraction must be between 0.05 and 0.5"),
        ("49 sessions", vec![("/spec/training/maxSessions", json!(49))], "training.maxSessions must be at least 50 when source.interval is 1d"),
        ("training of no session", vec![("/spec/training/maxSessions", json!(0))], "greater than or equal to 1"),
        ("a deadline of a minute less a second", vec![("/spec/training/activeDeadlineSeconds", json!(59))], "greater than or equal to 60"),
        ("eleven retries", vec![("/spec/training/backoffLimit", json!(11))], "less than or equal to 10"),
        ("much memory", vec![("/spec/training/resources/requests", json!({"memory": "much"}))], "spec.training.resources.requests.memory"),
        ("memory below zero", vec![("/spec/training/resources/limits", json!({"memory": "-1Gi"}))], "spec.training.resources.limits.memory"),
        ("a schedule after no close", vec![("/spec/training/schedule", json!("close+30 minutes"))], "spec.training.schedule"),
        ("a schedule of four words", vec![("/spec/training/schedule", json!("0 22 * *"))], "spec.training.schedule"),
        ("no hidden unit", vec![("/spec/training/model/hidden", json!(0))], "greater than or equal to 1"),
        ("1001 epochs", vec![("/spec/training/model/epochs", json!(1001))], "less than or equal to 1000"),
        ("an empty batch", vec![("/spec/training/model/batchSize", json!(0))], "greater than or equal to 1"),
        ("five layers", vec![("/spec/training/model/layers", json!(5))], "less than or equal to 4"),
        ("a rate that ends above itself", vec![("/spec/training/model/finalLearningRate", json!("1.5"))], "training.model.finalLearningRate must be between 0 and 1"),
        ("weights that grow", vec![("/spec/training/model/weightDecay", json!("-0.1"))], "training.model.weightDecay must be between 0 and 1"),
        ("a negative length", vec![("/spec/training/model/clipNorm", json!("-1"))], "training.model.clipNorm must be 0 or above"),
        ("everything dropped", vec![("/spec/training/model/dropout", json!("1"))], "training.model.dropout must be 0 or above and below 1"),
        ("trees that weigh nothing", vec![("/spec/training/model/shrinkage", json!("0"))], "training.model.shrinkage must be above 0 and at most 1"),
        ("2001 trees", vec![("/spec/training/model/trees", json!(2001))], "less than or equal to 2000"),
        ("an ensemble of ensembles", vec![("/spec/training/model/members", json!(["Linear", "Ensemble"]))], "training.model.members must not hold Ensemble"),
        ("a member twice", vec![("/spec/training/model/members", json!(["Linear", "Linear"]))], "Duplicate value"),
        ("naive, retrained on drift", vec![("/spec/training/model/kind", json!("Naive"))], "retraining.triggers must not hold Drift or Performance when training.model.kind is Naive"),
        ("Schedule without a schedule", vec![("/spec/training/schedule", json!(GONE))], "training.schedule must be set when retraining.triggers holds Schedule"),
    ]
}

#[rustfmt::skip]
fn serving_rows() -> Vec<Row> {
    vec![
        ("half a unit", vec![("/spec/serving/resources/limits", json!({"memory": "1KiB"}))], "spec.serving.resources.limits.memory"),
        ("an exponent without digits", vec![("/spec/workers/ingest/resources/limits", json!({"memory": "1e"}))], "spec.workers.ingest.resources.limits.memory"),
        ("resources of nobody", vec![("/spec/workers/oracle", json!({}))], "unknown field \"spec.workers.oracle\""),
        ("fewest above most", vec![("/spec/serving/minReplicas", json!(7))], "serving.minReplicas must not be above serving.maxReplicas"),
        ("no replica", vec![("/spec/serving/minReplicas", json!(0))], "greater than or equal to 1"),
        ("101 replicas", vec![("/spec/serving/maxReplicas", json!(101))], "less than or equal to 100"),
        ("scaled by hope", vec![("/spec/serving/scaleMetric", json!("Hope"))], "supported values"),
        ("a target of 101 %", vec![("/spec/serving/scaleTarget", json!(101))], "less than or equal to 100"),
        ("a pinned version twice", vec![("/spec/serving/versions", json!([3, 5, 3]))], "serving.versions must name each version once"),
        ("nine pinned versions", vec![("/spec/serving/versions", json!([1, 2, 3, 4, 5, 6, 7, 8, 9]))], "must have at most 8 items"),
        ("a pinned version without a number", vec![("/spec/serving/versions", json!([0]))], "greater than or equal to 1"),
        ("a time to live in words", vec![("/spec/serving/cache/ttl", json!("1 day"))], "spec.serving.cache.ttl"),
        ("a negative time to live", vec![("/spec/serving/cache/ttl", json!("-1s"))], "spec.serving.cache.ttl"),
        ("TLS without a Secret", vec![("/spec/serving/tls", json!({}))], "spec.serving.tls.secretName"),
        ("a certificate without a name", vec![("/spec/serving/tls/secretName", json!(""))], "spec.serving.tls.secretName"),
        ("authorities without a name", vec![("/spec/serving/tls/clientCaSecretName", json!(""))], "spec.serving.tls.clientCaSecretName"),
        ("a certificate in the spec", vec![("/spec/serving/tls/crt", json!("-----BEGIN CERTIFICATE-----"))], "unknown field \"spec.serving.tls.crt\""),
        ("a password in the Redis URL", vec![("/spec/serving/cache/redis/url", json!("redis://:secret@redis:6379"))], "spec.serving.cache.redis.url"),
        ("Redis over HTTP", vec![("/spec/serving/cache/redis/url", json!("http://redis:6379"))], "spec.serving.cache.redis.url"),
    ]
}

#[rustfmt::skip]
fn drift_rows() -> Vec<Row> {
    vec![
        ("an unknown statistic", vec![("/spec/drift/metric", json!("KL"))], "supported values"),
        ("a threshold in words", vec![("/spec/drift/threshold", json!("auto"))], "spec.drift.threshold"),
        ("no false alarm ever", vec![("/spec/drift/falseAlarmsPerYear", json!("0"))], "drift.falseAlarmsPerYear must be between 0.01 and 50"),
        ("a false alarm a session", vec![("/spec/drift/falseAlarmsPerYear", json!("252"))], "drift.falseAlarmsPerYear must be between 0.01 and 50"),
        ("a window of nine", vec![("/spec/drift/windowSessions", json!(9))], "drift.windowSessions must be at least 10 when source.interval is 1d"),
        ("a drift window of nothing", vec![("/spec/drift/windowSessions", json!(0))], "greater than or equal to 1"),
        ("drift of an unknown feature", vec![("/spec/drift/features", json!(["nobody"]))], "drift.features must only name entries of features"),
    ]
}

#[rustfmt::skip]
fn promotion_rows() -> Vec<Row> {
    vec![
        ("an unknown trigger", vec![("/spec/retraining/triggers", json!(["FullMoon"]))], "supported values"),
        ("a trigger in small letters", vec![("/spec/retraining/triggers", json!(["dataRevised"]))], "supported values"),
        ("five triggers", vec![("/spec/retraining/triggers", json!(["Drift", "Drift", "Drift", "Drift", "Drift"]))], "must have at most 4 items"),
        ("a cooldown in weeks", vec![("/spec/retraining/cooldown", json!("5w"))], "spec.retraining.cooldown"),
        ("no run a day", vec![("/spec/retraining/maxPerDay", json!(0))], "greater than or equal to 1"),
        ("settling for ever", vec![("/spec/retraining/settleSessions", json!(1001))], "less than or equal to 1000"),
        ("an unknown mode", vec![("/spec/promotion/mode", json!("Maybe"))], "supported values"),
        ("a gate of four sessions", vec![("/spec/promotion/gateWindowSessions", json!(4))], "promotion.gateWindowSessions must be at least 5 when source.interval is 1d"),
        ("a gate of nothing", vec![("/spec/promotion/gateWindowSessions", json!(0))], "greater than or equal to 1"),
        ("an effect of 200 %", vec![("/spec/promotion/minimumEffect", json!("2"))], "promotion.minimumEffect must be between -1 and 1"),
        ("version zero", vec![("/spec/promotion/championVersion", json!(0))], "greater than or equal to 1"),
        ("suspend as text", vec![("/spec/suspend", json!("true"))], "spec.suspend"),
        ("an unknown deletion", vec![("/spec/deletionPolicy/topics", json!("Drop"))], "supported values"),
    ]
}
