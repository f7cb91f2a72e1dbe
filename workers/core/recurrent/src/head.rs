//! The linear layer behind the last hidden state. Small, so plain Rust; sums in sixteen parts, the same everywhere.

/// `outputs = weights h + bias` with `weights` `[outputs][hidden]`.
pub(crate) fn linear(h: &[f32], weights: &[f32], bias: &[f32], outputs: &mut [f32]) {
    for ((y, w), b) in outputs
        .iter_mut()
        .zip(weights.chunks_exact(h.len()))
        .zip(bias)
    {
        *y = b + inner(h, w);
    }
}

fn inner(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; 16];
    let (a_chunks, b_chunks) = (a.chunks_exact(16), b.chunks_exact(16));
    for ((sum, a), b) in sums
        .iter_mut()
        .zip(a_chunks.remainder())
        .zip(b_chunks.remainder())
    {
        *sum += a * b;
    }
    for (a, b) in a_chunks.zip(b_chunks) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}

/// Adds to the gradients of the weights and of the bias, and to that of `h`, for one sample. `scale` is the dropout
/// factor of each hidden unit.
pub(crate) fn back(d: &[f32], h: &[f32], weights: &[f32], scale: Option<&[f32]>, out: Gradients) {
    let hidden = h.len();
    let rows = weights
        .chunks_exact(hidden)
        .zip(out.weights.chunks_exact_mut(hidden));
    for ((&d, (w, dw)), db) in d.iter().zip(rows).zip(out.bias) {
        *db += d;
        for j in 0..hidden {
            let d = scale.map_or(d, |scale| d * scale[j]);
            dw[j] += d * h[j];
            out.h[j] += d * w[j];
        }
    }
}

/// Where [`back`] adds.
pub(crate) struct Gradients<'a> {
    pub weights: &'a mut [f32],
    pub bias: &'a mut [f32],
    pub h: &'a mut [f32],
}
