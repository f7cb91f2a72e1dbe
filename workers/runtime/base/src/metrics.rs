//! Metrics of one program, registered with a registry that is handed in, so that roles can run
//! side by side in one process. `/metrics` shows the registry in the Prometheus text format.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge;
use prometheus_client::registry::{Metric, Registry as Encoder};

pub use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;
pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::gauge::Gauge;
pub use prometheus_client::metrics::histogram::Histogram;

/// A gauge of fractions.
pub type FloatGauge = gauge::Gauge<f64, AtomicU64>;

/// Values of `N` labels in the order of their names.
type Labels<const N: usize> = [(&'static str, String); N];

/// One metric per combination of label values, made when it is first asked for.
#[derive(Clone, Debug)]
pub struct Labelled<M, const N: usize> {
    names: [&'static str; N],
    family: Family<Labels<N>, M>,
}

impl<M: Clone, const N: usize> Labelled<M, N> {
    /// The metric of these label values, in the order in which the labels were declared.
    pub fn with(&self, values: [&str; N]) -> M {
        let mut values = values.into_iter();
        let labels = self
            .names
            .map(|name| (name, values.next().unwrap_or_default().to_string()));
        self.family.get_or_create_owned(&labels)
    }

    /// Forgets every combination.
    pub fn clear(&self) {
        self.family.clear();
    }
}

/// Every metric of one program, by its name on `/metrics`. Clones share the metrics.
#[derive(Clone, Debug, Default)]
pub struct Registry(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    encoder: Encoder,
    metrics: BTreeMap<&'static str, Box<dyn Any + Send>>,
}

impl Registry {
    /// A counter; its name ends in `_total`.
    pub fn counter(&self, name: &'static str, help: &str) -> Counter {
        self.register(name, help, Counter::default)
    }

    /// Counters by labels; the name ends in `_total`.
    pub fn counters<const N: usize>(
        &self,
        name: &'static str,
        help: &str,
        labels: [&'static str; N],
    ) -> Labelled<Counter, N> {
        self.labelled(name, help, labels, Counter::default)
    }

    /// A gauge of whole numbers.
    pub fn gauge(&self, name: &'static str, help: &str) -> Gauge {
        self.register(name, help, Gauge::default)
    }

    /// A gauge of fractions.
    pub fn float_gauge(&self, name: &'static str, help: &str) -> FloatGauge {
        self.register(name, help, FloatGauge::default)
    }

    /// Gauges of fractions by labels.
    pub fn float_gauges<const N: usize>(
        &self,
        name: &'static str,
        help: &str,
        labels: [&'static str; N],
    ) -> Labelled<FloatGauge, N> {
        self.labelled(name, help, labels, FloatGauge::default)
    }

    /// Histograms by labels, with the buckets that `new` gives them.
    pub fn histograms<const N: usize>(
        &self,
        name: &'static str,
        help: &str,
        labels: [&'static str; N],
        new: fn() -> Histogram,
    ) -> Labelled<Histogram, N> {
        self.labelled(name, help, labels, new)
    }

    /// Names of all metrics as they stand on `/metrics`.
    pub fn names(&self) -> Vec<&'static str> {
        self.lock().metrics.keys().copied().collect()
    }

    /// The text of `/metrics`; labelled metrics are left out until they have a value.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        if let Err(error) = prometheus_text::encode(&mut text, &self.lock().encoder) {
            tracing::error!(%error, "metrics not encoded");
        }
        text
    }

    fn labelled<M, const N: usize>(
        &self,
        name: &'static str,
        help: &str,
        names: [&'static str; N],
        new: fn() -> M,
    ) -> Labelled<M, N>
    where
        M: Clone + Send + Sync + 'static,
        Family<Labels<N>, M>: Metric,
    {
        let family = || Family::new_with_constructor(new);
        let family = self.register(name, help, family);
        Labelled { names, family }
    }

    /// Registers a metric, or finds the one that has the name already: two parts of a program that
    /// name the same metric share it.
    fn register<M>(&self, name: &'static str, help: &str, new: impl FnOnce() -> M) -> M
    where
        M: Metric + Clone,
    {
        let mut inner = self.lock();
        if let Some(known) = inner.metrics.get(name) {
            return known
                .downcast_ref::<M>()
                .expect("one name has one kind of metric")
                .clone();
        }
        let metric = new();
        // The encoder adds the suffix of counters and the full stop itself.
        let stem = name.strip_suffix("_total").unwrap_or(name);
        let help = help.strip_suffix('.').unwrap_or(help);
        inner.encoder.register(stem, help, metric.clone());
        inner.metrics.insert(name, Box::new(metric.clone()));
        metric
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_what_scrapers_and_dashboards_know() {
        let registry = Registry::default();
        registry.counter("a_total", "Things counted.").inc_by(2);
        let by = registry.counters("b_total", "Things by label.", ["one", "two"]);
        by.with(["x", "y\"z"]).inc();
        registry.gauge("c", "A level.").set(-3);
        registry.float_gauge("d", "A ratio.").set(0.25);
        let scores = registry.float_gauges("e", "Scores.", ["feature"]);
        scores.with(["gone"]).set(1.0);
        scores.clear();
        scores.with(["kept"]).set(2.5);
        let seconds = registry.histograms("f", "Times.", ["route"], || Histogram::new([0.1, 1.0]));
        seconds.with(["r"]).observe(0.5);
        let expected = "# HELP a_total Things counted.
# TYPE a_total counter
a_total 2
# HELP b_total Things by label.
# TYPE b_total counter
b_total{one=\"x\",two=\"y\\\"z\"} 1
# HELP c A level.
# TYPE c gauge
c -3
# HELP d A ratio.
# TYPE d gauge
d 0.25
# HELP e Scores.
# TYPE e gauge
e{feature=\"kept\"} 2.5
# HELP f Times.
# TYPE f histogram
f_bucket{route=\"r\",le=\"0.1\"} 0
f_bucket{route=\"r\",le=\"1\"} 1
f_bucket{route=\"r\",le=\"+Inf\"} 1
f_sum{route=\"r\"} 0.5
f_count{route=\"r\"} 1
";
        assert_eq!(registry.encode(), expected);
        let shown: Vec<&str> = expected
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
            .collect();
        assert_eq!(registry.names(), shown);
    }

    #[test]
    fn who_names_a_metric_again_gets_the_same_one() {
        let registry = Registry::default();
        registry.counter("a_total", "A.").inc();
        registry.clone().counter("a_total", "A.").inc();
        assert_eq!(registry.counter("a_total", "A.").get(), 2);
        assert_eq!(registry.encode().matches("# TYPE").count(), 1);
        assert_eq!(Registry::default().names(), [""; 0]);
    }
}
