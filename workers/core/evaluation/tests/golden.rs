//! Agreement with SciPy, statsmodels, NumPy and arch; `golden/make.py` wrote the numbers.

#![allow(clippy::unwrap_used)]

use foresail_evaluation::bootstrap::block_length;
use foresail_evaluation::conformal::wilson;
use foresail_evaluation::distribution::{normal_quantile, student_t_cdf};
use foresail_evaluation::quantile::quantile_of_sorted;
use foresail_evaluation::{diebold_mariano, hac_variance_of_mean, spearman};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
    wilson: Vec<(usize, usize, f64, f64, f64)>,
    student: Vec<(f64, f64, f64)>,
    normal: Vec<(f64, f64)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    a: Vec<f64>,
    b: Vec<f64>,
    spearman: f64,
    newey_west: Vec<(usize, f64)>,
    diebold_mariano: Vec<(usize, f64)>,
    quantiles: Vec<(f64, f64)>,
    block: f64,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/golden.json")).unwrap()
}

#[track_caller]
fn close(seen: f64, expected: f64) {
    let error = (seen - expected).abs() / expected.abs().max(1e-6);
    assert!(error < 1e-9, "{seen} is not {expected}");
}

#[test]
fn series_agree() {
    let cases = golden().cases;
    assert_eq!(cases.len(), 6);
    for case in &cases {
        close(spearman(&case.a, &case.b).unwrap(), case.spearman);
        for (lag, expected) in &case.newey_west {
            close(hac_variance_of_mean(&case.a, *lag), *expected);
        }
        for (horizon, expected) in &case.diebold_mariano {
            let seen = diebold_mariano(&case.a, &case.b, *horizon);
            close(seen.p_value, *expected);
        }
        let mut sorted = case.a.clone();
        sorted.sort_by(f64::total_cmp);
        for (level, expected) in &case.quantiles {
            close(quantile_of_sorted(&sorted, *level).unwrap(), *expected);
        }
        close(block_length(&case.a, 1).unwrap(), case.block.max(1.0));
    }
    let longer = cases.iter().filter(|c| c.block > 3.0).count();
    assert!(longer >= 2, "some series need blocks");
}

#[test]
fn distributions_agree() {
    let golden = golden();
    for (t, degrees, expected) in golden.student {
        close(student_t_cdf(t, degrees), expected);
    }
    for (p, expected) in golden.normal {
        close(normal_quantile(p), expected);
    }
    for (hits, cases, confidence, lower, upper) in golden.wilson {
        let seen = wilson(hits, cases, confidence).unwrap();
        close(seen.lower, lower);
        close(seen.upper, upper);
    }
}
