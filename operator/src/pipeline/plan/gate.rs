//! The gate: whether a finished run's model replaces the champion. Pure.

use foresail_crds::model_manifest::GateResult;
use foresail_crds::pipeline::spec::PromotionMode;
use foresail_crds::pipeline::status::Reason;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Verdict on a challenger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Replaces the champion.
    Promote {
        /// Why.
        reason: Reason,
        /// Sentence with the numbers.
        message: String,
    },
    /// Does not.
    Reject {
        /// Why.
        reason: Reason,
        /// Sentence with the numbers.
        message: String,
    },
    /// Waits for a person, or for sessions to be judged on.
    Wait {
        /// Sentence with the numbers.
        message: String,
        /// Event time from which a new version can be judged.
        until: Option<Time>,
    },
}

/// Compares a challenger with the champion. Automatic promotion asks for a relative RMSE improvement of at least
/// `minimum_effect` on the gate window, and never for a challenger that is worse than the champion.
pub fn evaluate_gate(
    gate: Option<&GateResult>,
    mode: PromotionMode,
    minimum_effect: f64,
) -> Verdict {
    let Some(gate) = gate else {
        let message = "no comparison with the champion was reported, so it is not promoted".into();
        return Verdict::Reject {
            reason: Reason::GateFailed,
            message,
        };
    };
    let message = numbers(gate, minimum_effect);
    if mode == PromotionMode::Manual {
        return Verdict::Wait {
            message,
            until: None,
        };
    }
    let number = |text: &foresail_crds::Decimal| text.as_f64().unwrap_or(f64::NAN);
    let (effect, challenger, champion) = (
        number(&gate.effect),
        number(&gate.challenger_rmse),
        number(&gate.champion_rmse),
    );
    // NaN compares false everywhere: what cannot be read does not promote.
    if gate.dates > 0 && effect >= minimum_effect && challenger < champion {
        Verdict::Promote {
            reason: Reason::GatePassed,
            message,
        }
    } else {
        Verdict::Reject {
            reason: Reason::GateFailed,
            message,
        }
    }
}

fn numbers(gate: &GateResult, minimum_effect: f64) -> String {
    format!(
        "on {} unseen dates: challenger RMSE {}, champion v{} {}, naive {}; effect {} (minimum {minimum_effect}), p = {}",
        gate.dates,
        gate.challenger_rmse,
        gate.champion_version,
        gate.champion_rmse,
        gate.naive_rmse,
        gate.effect,
        gate.p_value
    )
}

#[cfg(test)]
mod tests {
    use foresail_crds::model_manifest::GateMeasurement;

    use super::*;

    fn gate(challenger: &str, champion: &str, effect: &str) -> GateResult {
        GateResult {
            champion_version: 1,
            dates: 40,
            challenger_rmse: challenger.into(),
            champion_rmse: champion.into(),
            naive_rmse: "0.03".into(),
            effect: effect.into(),
            p_value: "0.1".into(),
        }
    }

    #[test]
    fn better_by_enough_promotes_and_nothing_else_does() {
        let cases = [
            (gate("0.02", "0.03", "0.33"), 0.02, true),
            (gate("0.0299", "0.03", "0.003"), 0.02, false),
            (gate("0.03", "0.03", "0"), 0.0, false),
            (gate("0.04", "0.03", "-0.3"), -1.0, false),
            (gate("abc", "0.03", "0.5"), 0.0, false),
            (
                GateResult {
                    dates: 0,
                    ..gate("0.02", "0.03", "0.33")
                },
                0.0,
                false,
            ),
        ];
        for (gate, minimum, promoted) in cases {
            let verdict = evaluate_gate(Some(&gate), PromotionMode::Automatic, minimum);
            assert_eq!(
                matches!(verdict, Verdict::Promote { .. }),
                promoted,
                "{gate:?}"
            );
        }
        assert!(matches!(
            evaluate_gate(None, PromotionMode::Automatic, 0.0),
            Verdict::Reject { .. }
        ));
        let manual = evaluate_gate(
            Some(&gate("0.02", "0.03", "0.33")),
            PromotionMode::Manual,
            0.0,
        );
        assert!(matches!(manual, Verdict::Wait { .. }));
    }

    /// What the trainer reports of these errors: nothing, where they cannot be written down.
    fn reported(challenger: f64, champion: f64) -> Option<GateResult> {
        let measured = GateMeasurement {
            champion_version: 1,
            dates: 40,
            challenger_rmse: challenger,
            champion_rmse: champion,
            naive_rmse: 0.03,
            effect: 1.0 - challenger / champion,
            p_value: 1.0,
        };
        GateResult::try_from(measured).ok()
    }

    #[test]
    fn errors_that_are_not_finite_never_promote() {
        let promoted = |gate: Option<&GateResult>| {
            let verdict = evaluate_gate(gate, PromotionMode::Automatic, 0.0);
            matches!(verdict, Verdict::Promote { .. })
        };
        assert!(promoted(reported(0.02, 0.03).as_ref()));
        let broken = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        for value in broken {
            for (challenger, champion) in [(value, 0.03), (0.02, value), (value, value)] {
                let gate = reported(challenger, champion);
                assert!(
                    !promoted(gate.as_ref()),
                    "{challenger} against {champion}: {gate:?}"
                );
            }
        }
        // The ratio of the two overflows although both are finite.
        assert_eq!(reported(1e300, 1e-300), None);
        // A status may hold any text.
        for text in ["inf", "-inf", "NaN", "1e999", "-1e999"] {
            for gate in [
                gate(text, "0.03", "0.33"),
                gate("0.02", text, "0.33"),
                gate("0.02", "0.03", text),
            ] {
                assert!(!promoted(Some(&gate)), "{gate:?}");
            }
        }
    }
}
