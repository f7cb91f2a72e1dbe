//! CEL rules of a feature. Which functions a rule names is read from the catalogue.

use kube::core::Rule;

use super::description::{Argument, Description, Reads};
use super::function::FeatureFunction as F;

/// Their least window is checked by the operator alone: a Pipeline that the API server has once taken
/// must stay valid, and these came after the rule.
const WINDOW_LEFT_TO_THE_OPERATOR: &[F] =
    &[F::YangZhang, F::Skewness, F::Kurtosis, F::Autocorrelation];

pub(super) fn window_is_set() -> Rule {
    let without = is_one_of(&names(|_, d| !d.takes("window")));
    Rule::new(format!("{without} || has(self.window)"))
        .message("features[].window must be set for this function")
}

pub(super) fn fast_is_below_slow() -> Rule {
    let macd = is_one_of(&names(|_, d| d.takes("fast")));
    Rule::new(format!(
        "!({macd}) || (has(self.fast) && has(self.slow) && self.fast < self.slow)"
    ))
    .message("features[].fast and slow must be set with fast < slow for Macd functions")
}

pub(super) fn signal_is_set() -> Rule {
    let smoothed = names(|_, d| d.takes("signal"));
    let message = format!("features[].signal must be set for {}", sentence(&smoothed));
    Rule::new(format!("!({}) || has(self.signal)", is_one_of(&smoothed))).message(message.as_str())
}

pub(super) fn deviations_are_set() -> Rule {
    let bands = is_one_of(&names(|_, d| d.takes("deviations")));
    Rule::new(format!("!({bands}) || has(self.deviations)"))
        .message("features[].deviations must be set for Bollinger functions")
}

pub(super) fn window_is_long_enough() -> Rule {
    let two_or_more = is_one_of(&names(|function, d| {
        let two = |a: &Argument| matches!(a, Argument::Window { least } if *least >= 2);
        d.arguments.iter().any(two) && !WINDOW_LEFT_TO_THE_OPERATOR.contains(&function)
    }));
    Rule::new(format!(
        "!({two_or_more}) || !has(self.window) || self.window >= 2"
    ))
    .message("features[].window must be at least 2 for this function")
}

/// `field` is an argument of the functions that take it, and surplus with every other.
pub(super) fn only_with(field: &'static str) -> Rule {
    let takers = names(|_, d| d.takes(field));
    let message = format!(
        "features[].{field} must be set for {}, and for no other function",
        sentence(&takers)
    );
    Rule::new(format!("has(self.{field}) == ({})", is_one_of(&takers))).message(message.as_str())
}

pub(super) fn column_is_read() -> Rule {
    let rolling = is_one_of(&names(|_, d| d.reads == Reads::Column));
    Rule::new(format!("!has(self.column) || {rolling}"))
        .message("features[].column must only be set for Rolling functions")
}

fn names(chosen: impl Fn(F, &Description) -> bool) -> Vec<&'static str> {
    let all = F::ALL
        .iter()
        .map(|function| (*function, function.describe()));
    all.filter(|(function, d)| chosen(*function, d))
        .map(|(_, d)| d.name)
        .collect()
}

/// `self.function` is one of `names`, in CEL.
fn is_one_of(names: &[&str]) -> String {
    match names {
        [name] => format!("self.function == '{name}'"),
        _ => format!("self.function in ['{}']", names.join("', '")),
    }
}

/// `A, B and C`.
fn sentence(names: &[&str]) -> String {
    match names {
        [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_a_rule_are_those_of_the_catalogue() {
        let signal = signal_is_set();
        assert_eq!(
            signal.rule,
            "!(self.function in ['MacdSignal', 'MacdHistogram', 'StochasticD']) || has(self.signal)"
        );
        assert_eq!(
            only_with("quantile").rule,
            "has(self.quantile) == (self.function == 'RollingQuantile')"
        );
    }

    #[test]
    fn what_admission_once_took_it_takes() {
        let rule = window_is_long_enough().rule;
        assert!(rule.contains("'Volatility'"));
        for function in WINDOW_LEFT_TO_THE_OPERATOR {
            let name = function.describe().name;
            assert!(!rule.contains(name), "{name}");
        }
    }
}
