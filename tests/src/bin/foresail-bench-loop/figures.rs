//! Order statistics, and how a figure is printed.

/// Value at `share` (0..=1) of the sorted values, the nearest rank; 0 without values.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (share * values.len() as f64).ceil() as usize;
    values
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

/// Median with the smallest and largest value.
pub fn print_runs(what: &str, unit: &str, mut values: Vec<f64>) {
    let [low, middle, high] = [0.0, 0.5, 1.0].map(|share| quantile(&mut values, share));
    println!(
        "{what}: {middle:.2} {unit} [{low:.2}, {high:.2}] ({} runs)",
        values.len()
    );
}

/// Median and tail.
pub fn print_latency(what: &str, unit: &str, mut values: Vec<f64>) {
    let [p50, p99, most] = [0.5, 0.99, 1.0].map(|share| quantile(&mut values, share));
    println!(
        "{what}: p50 {p50:.0} {unit}, p99 {p99:.0} {unit}, largest {most:.0} {unit} ({} bars)",
        values.len()
    );
}
