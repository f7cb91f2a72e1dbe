//! Quantiles of a sample.

/// Quantile by linear interpolation between order statistics (type 7, the default of NumPy); `None`
/// for no values or a level outside 0..=1.
pub fn quantile_of_sorted(sorted: &[f64], level: f64) -> Option<f64> {
    if !(0.0..=1.0).contains(&level) {
        return None;
    }
    let place = level * sorted.len().checked_sub(1)? as f64;
    let below = *sorted.get(place.floor() as usize)?;
    let above = *sorted.get(place.ceil() as usize)?;
    Some(below + (above - below) * place.fract())
}
