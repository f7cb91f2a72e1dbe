//! What the Pipelines of an account ask for every day. Pure.

use std::time::Duration;

use foresail_crds::{Pipeline, ProviderAccount, ProviderName};
use foresail_domain::Interval;
use foresail_quota::LivePlan;
use foresail_quota::plan::{Load, requests_per_day};
use kube::ResourceExt;

use super::title;

/// Sessions of a month, in which one provider is asked for bars within them.
const MONTH: u32 = 21;

/// What each Pipeline that names the account asks while all goes well, by name. One that is suspended, is being deleted or
/// has an end asks for no new bar, and history is read with what is left.
pub fn of<'a>(
    account: &ProviderAccount,
    pipelines: impl Iterator<Item = &'a Pipeline>,
) -> Vec<Load> {
    let name = account.name_any();
    let mut loads: Vec<Load> = pipelines
        .filter(|pipeline| pipeline.metadata.deletion_timestamp.is_none())
        .filter_map(|pipeline| load(pipeline, &name, account.spec.provider))
        .collect();
    loads.sort_by(|a, b| a.pipeline.cmp(&b.pipeline));
    loads
}

fn load(pipeline: &Pipeline, account: &str, provider: ProviderName) -> Option<Load> {
    let spec = &pipeline.spec;
    let source = spec.source.provider.as_ref()?;
    // Another account of the source is asked for as much on a day on which the first one cannot be.
    let mut names = std::iter::once(&*source.account).chain(spec.source.other_accounts());
    let asks =
        names.any(|name| name == account) && !spec.suspend && spec.source.backfill.to.is_none();
    let falls_back = spec.source.fallback.iter().any(|f| f.account == account);
    let confirms = spec
        .source
        .quorum
        .as_ref()
        .is_some_and(|q| q.account == account)
        && !falls_back;
    if !asks {
        return None;
    }
    let symbols = spec.instruments.iter().map(|i| i.symbol.to_string());
    let poll = source.poll.as_duration().unwrap_or_default();
    let load = Load {
        pipeline: title(pipeline),
        symbols: symbols.collect(),
        interval: spec.source.interval.as_str().into(),
        poll,
        // One poll behind each session: a daily bar is there then.
        open: Duration::ZERO,
        per_poll: 1,
        per_session: match provider {
            // Who confirms is asked for closes alone.
            _ if confirms => 0,
            // Splits and dividends.
            ProviderName::AlphaVantage => 2,
            // Its rows come with both.
            ProviderName::Yahoo => 0,
        },
    };
    Some(match spec.source.interval.length_ms() {
        Some(length) => within_sessions(load, pipeline, (length, provider)),
        None => load,
    })
}

/// The load of bars within a session: it is asked for them behind each, at most once every `poll`, from its open to its close.
fn within_sessions(
    load: Load,
    pipeline: &Pipeline,
    (length, provider): (i64, ProviderName),
) -> Load {
    let spec = &pipeline.spec;
    let millis = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    let open = spec.trading_calendar().usual_parts().into_iter().sum();
    let sessions = spec
        .source
        .provider
        .as_ref()
        .map_or(0, |source| source.recheck_sessions);
    // What is compared with the first bar of a session may take more requests than one.
    let more = match provider {
        ProviderName::AlphaVantage => sessions.div_ceil(MONTH),
        // A request is for 8 days of minutes, 5 sessions as a rule.
        ProviderName::Yahoo if spec.source.interval == Interval::OneMinute => {
            sessions.saturating_sub(1) / 5
        }
        ProviderName::Yahoo => 0,
    };
    Load {
        poll: load.poll.max(millis(length)),
        open: millis(open),
        per_session: load.per_session.saturating_add(more),
        ..load
    }
}

/// The requests to set aside for each of them.
pub fn plans(loads: &[Load]) -> Vec<LivePlan> {
    let plan = |load: &Load| LivePlan {
        pipeline: load.pipeline.clone(),
        requests: requests_per_day(load),
    };
    loads.iter().map(plan).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::pipeline::{from_provider, object};

    fn provider_pipeline(change: impl FnOnce(&mut Value)) -> Pipeline {
        object(|v| {
            from_provider(v);
            change(v);
        })
    }

    fn account(provider: &str) -> ProviderAccount {
        serde_json::from_value(json!({
            "apiVersion": "foresail.dev/v1alpha1", "kind": "ProviderAccount",
            "metadata": {"name": "market", "namespace": "n"},
            "spec": {"provider": provider, "secretName": "key"}
        }))
        .unwrap()
    }

    fn requests(provider: &str, change: impl FnOnce(&mut Value)) -> Vec<u32> {
        let pipeline = provider_pipeline(change);
        let loads = of(&account(provider), std::iter::once(&pipeline));
        plans(&loads).iter().map(|plan| plan.requests).collect()
    }

    #[test]
    fn a_session_costs_what_the_provider_is_asked_per_symbol() {
        let two = |v: &mut Value| {
            v["spec"]["instruments"] = json!([{"symbol": "AAPL"}, {"symbol": "MSFT"}]);
        };
        assert_eq!(requests("AlphaVantage", two), [6]);
        assert_eq!(requests("Yahoo", two), [2]);
    }

    #[test]
    fn bars_within_a_session_cost_a_request_for_each_poll_and_no_more_than_there_are_bars() {
        let within = |interval: &'static str, poll: &'static str| {
            move |v: &mut Value| {
                v["spec"]["source"]["interval"] = json!(interval);
                v["spec"]["source"]["provider"]["poll"] = json!(poll);
            }
        };
        // New York is open for six and a half hours.
        for (interval, poll, yahoo, alpha_vantage) in [
            ("1m", "1m", 390, 390 + 3),
            ("1m", "10s", 390, 390 + 3),
            ("1m", "1h", 7, 7 + 3),
            ("30m", "10s", 13, 13 + 3),
            ("1h", "1h", 7, 7 + 3),
            ("1d", "10s", 1, 1 + 2),
        ] {
            let told = format!("{interval} {poll}");
            assert_eq!(requests("Yahoo", within(interval, poll)), [yahoo], "{told}");
            let asked = requests("AlphaVantage", within(interval, poll));
            assert_eq!(asked, [alpha_vantage], "{told}");
        }
        let far = |v: &mut Value| {
            within("1m", "1h")(v);
            v["spec"]["source"]["provider"]["recheckSessions"] = json!(20);
        };
        assert_eq!(requests("Yahoo", far), [7 + 3]);
    }

    #[test]
    fn who_asks_for_no_new_bar_has_no_plan() {
        type Change = fn(&mut Value);
        let without: [Change; 4] = [
            |v| v["spec"]["suspend"] = json!(true),
            |v| v["spec"]["source"]["backfill"] = json!({"to": "2024-12-31"}),
            |v| v["spec"]["source"]["provider"]["account"] = json!("another"),
            |v| v["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"),
        ];
        for change in without {
            assert_eq!(requests("Yahoo", change), [0; 0]);
        }
    }

    #[test]
    fn an_account_that_another_one_falls_back_to_has_a_plan_as_well() {
        let falls_back = |v: &mut Value| {
            v["spec"]["source"] = json!({"provider": {"account": "another"},
                "fallback": [{"account": "third"}, {"account": "market"}]});
        };
        assert_eq!(requests("AlphaVantage", falls_back), [3]);
        assert_eq!(requests("Yahoo", falls_back), [1]);
        let confirms = |v: &mut Value| {
            v["spec"]["source"] = json!({"provider": {"account": "another"},
                "quorum": {"account": "market"}});
        };
        assert_eq!(requests("AlphaVantage", confirms), [1]);
        let both = |v: &mut Value| {
            confirms(v);
            v["spec"]["source"]["fallback"] = json!([{"account": "market"}]);
        };
        assert_eq!(requests("AlphaVantage", both), [3]);
    }

    #[test]
    fn plans_are_in_the_order_of_names() {
        let named = |name: &str| provider_pipeline(|v| v["metadata"]["name"] = json!(name));
        let pipelines = ["c", "a", "b"].map(named);
        let names: Vec<String> = of(&account("Yahoo"), pipelines.iter())
            .into_iter()
            .map(|load| load.pipeline)
            .collect();
        assert_eq!(names, ["n/a", "n/b", "n/c"]);
    }
}
