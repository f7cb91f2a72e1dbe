//! What is asked.

use std::collections::BTreeMap;

use crate::scenario::Provider;

/// Path of charts; the symbol follows.
const CHART: &str = "/v8/finance/chart/";

/// A request, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Path, percent-decoded.
    pub path: String,
    /// Parameters; of those that are given twice the last.
    pub query: BTreeMap<String, String>,
}

impl Request {
    /// Whom it is meant for; `None` when no provider has such a path.
    pub fn provider(&self) -> Option<Provider> {
        match self.path.as_str() {
            "/query" => Some(Provider::AlphaVantage),
            path if path.len() > CHART.len() && path.starts_with(CHART) => Some(Provider::Yahoo),
            _ => None,
        }
    }

    /// The symbol that is asked for.
    pub fn symbol(&self) -> &str {
        match self.path.strip_prefix(CHART) {
            Some(symbol) => symbol,
            None => self.get("symbol"),
        }
    }

    /// A parameter; empty when it is not given.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }
}
