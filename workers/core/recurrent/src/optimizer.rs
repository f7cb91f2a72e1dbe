//! Adam (Kingma and Ba 2015) and AdamW (Loshchilov and Hutter 2019) over the flat vector, with gradient clipping.

use crate::error::Error;
use crate::simd::{InstructionSet, Lanes, dispatch};
use crate::weights::same_length;

/// Second moments below this count as zero: they would be denormal numbers soon.
const FLUSH: f32 = 1e-35;

/// Constants of the optimizer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamOptions {
    /// Decay of the mean of gradients, in [0, 1).
    pub beta1: f32,
    /// Decay of the mean of squared gradients, in [0, 1).
    pub beta2: f32,
    /// Added to the root of the second moment, positive.
    pub epsilon: f32,
    /// Decoupled weight decay per unit of learning rate; above zero this is AdamW.
    pub decay: f32,
    /// Largest global norm of a gradient; a longer one is scaled to it. None: no clipping.
    pub clip: Option<f32>,
}

impl Default for AdamOptions {
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            decay: 0.0,
            clip: None,
        }
    }
}

/// The optimizer with its state.
#[derive(Clone, Debug, PartialEq)]
pub struct Adam {
    options: AdamOptions,
    set: InstructionSet,
    steps: u64,
    mean: Vec<f32>,
    square: Vec<f32>,
}

/// Arrays and constants of one step.
pub(crate) struct Update {
    len: usize,
    weights: *mut f32,
    gradient: *const f32,
    mean: *mut f32,
    square: *mut f32,
    scale: f32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    /// Learning rate over the bias correction of the mean.
    rate: f32,
    /// One over the root of the bias correction of the second moment.
    root: f32,
    /// What decay leaves of a weight.
    keep: f32,
}

impl Adam {
    /// A fresh state for `len` weights.
    ///
    /// # Errors
    /// [`Error::Range`], [`Error::Unavailable`].
    pub fn new(len: usize, options: AdamOptions, set: InstructionSet) -> Result<Self, Error> {
        let unit = 0.0..1.0;
        let bad = |what| Err(Error::Range { what });
        if !unit.contains(&options.beta1) || !unit.contains(&options.beta2) {
            return bad("beta");
        }
        if !(options.epsilon > 0.0 && options.epsilon.is_finite()) {
            return bad("epsilon");
        }
        if !(options.decay >= 0.0 && options.decay.is_finite()) {
            return bad("decay");
        }
        if options
            .clip
            .is_some_and(|clip| clip.is_nan() || clip <= 0.0)
        {
            return bad("clip");
        }
        if !set.available() {
            return Err(Error::Unavailable(set));
        }
        Ok(Self {
            options,
            set,
            steps: 0,
            mean: vec![0.0; len],
            square: vec![0.0; len],
        })
    }

    /// Goes on from a stored state: steps taken, first and second moments.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::NotFinite`].
    pub fn restore(&mut self, steps: u64, mean: Vec<f32>, square: Vec<f32>) -> Result<(), Error> {
        same_length("mean", mean.len(), self.mean.len())?;
        same_length("square", square.len(), self.square.len())?;
        if !mean.iter().chain(&square).all(|v| v.is_finite()) {
            return Err(Error::NotFinite {
                what: "optimizer state".into(),
            });
        }
        (self.steps, self.mean, self.square) = (steps, mean, square);
        Ok(())
    }

    /// Steps taken, first and second moments: what [`Adam::restore`] needs.
    #[must_use]
    pub fn state(&self) -> (u64, &[f32], &[f32]) {
        (self.steps, &self.mean, &self.square)
    }

    /// One step with the given learning rate. Returns the global norm of the gradient before clipping.
    ///
    /// # Errors
    /// [`Error::Length`]; [`Error::NotFinite`] for a gradient that is not finite, and then nothing has changed.
    pub fn step(&mut self, weights: &mut [f32], gradient: &[f32], rate: f32) -> Result<f64, Error> {
        same_length("weights", weights.len(), self.mean.len())?;
        same_length("gradient", gradient.len(), self.mean.len())?;
        let norm = norm(gradient);
        if !norm.is_finite() {
            return Err(Error::NotFinite {
                what: "gradient".into(),
            });
        }
        let scale = match self.options.clip {
            Some(clip) if norm > f64::from(clip) => (f64::from(clip) / norm) as f32,
            _ => 1.0,
        };
        self.steps += 1;
        let AdamOptions {
            beta1,
            beta2,
            epsilon,
            decay,
            ..
        } = self.options;
        let left = |beta: f32| 1.0 - f64::from(beta).powf(self.steps as f64);
        let update = Update {
            len: weights.len(),
            weights: weights.as_mut_ptr(),
            gradient: gradient.as_ptr(),
            mean: self.mean.as_mut_ptr(),
            square: self.square.as_mut_ptr(),
            scale,
            beta1,
            beta2,
            epsilon,
            rate: (f64::from(rate) / left(beta1)) as f32,
            root: (1.0 / left(beta2).sqrt()) as f32,
            keep: 1.0 - rate * decay,
        };
        // SAFETY: the set was checked in `new`, and all four slices have `len` floats.
        unsafe { apply(self.set, &update) };
        Ok(norm)
    }
}

/// Euclidean norm, summed in a fixed order in eight f64 sums.
fn norm(values: &[f32]) -> f64 {
    let mut sums = [0f64; 8];
    let chunks = values.chunks_exact(8);
    for (sum, &v) in sums.iter_mut().zip(chunks.remainder()) {
        *sum += f64::from(v) * f64::from(v);
    }
    for chunk in chunks {
        for (sum, &v) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(v) * f64::from(v);
        }
    }
    sums.iter().sum::<f64>().sqrt()
}

dispatch!(
    /// Applies one step.
    ///
    /// # Safety
    /// `set` is available and the arrays have `len` floats.
    apply(update: &Update) => run
);

/// # Safety
/// As [`apply`].
#[inline(always)]
unsafe fn run<V: Lanes>(u: &Update) {
    let in_vectors = u.len / V::N * V::N;
    // SAFETY: handed on; the rest goes through arrays of `N <= 16` floats.
    unsafe {
        for i in (0..in_vectors).step_by(V::N) {
            update_lanes::<V>(
                u,
                u.weights.add(i),
                u.gradient.add(i),
                u.mean.add(i),
                u.square.add(i),
            );
        }
        let rest = u.len - in_vectors;
        let mut room = [[0f32; 16]; 4];
        let sources = [
            u.weights.cast_const(),
            u.gradient,
            u.mean.cast_const(),
            u.square.cast_const(),
        ];
        for (room, source) in room.iter_mut().zip(sources) {
            room.as_mut_ptr()
                .copy_from_nonoverlapping(source.add(in_vectors), rest);
        }
        let [w, g, m, s] = &mut room;
        update_lanes::<V>(
            u,
            w.as_mut_ptr(),
            g.as_ptr(),
            m.as_mut_ptr(),
            s.as_mut_ptr(),
        );
        for (room, target) in [(w, u.weights), (m, u.mean), (s, u.square)] {
            target
                .add(in_vectors)
                .copy_from_nonoverlapping(room.as_ptr(), rest);
        }
    }
}

/// # Safety
/// As [`apply`]; one vector at each pointer.
#[inline(always)]
unsafe fn update_lanes<V: Lanes>(u: &Update, w: *mut f32, g: *const f32, m: *mut f32, s: *mut f32) {
    // SAFETY: handed on.
    unsafe {
        let g_now = V::load(g).mul(V::splat(u.scale));
        let before = V::load(m);
        let mean = before.fma(g_now.sub(before), V::splat(1.0 - u.beta1));
        let square = V::load(s).mul(V::splat(u.beta2));
        let square = square
            .fma(g_now.mul(g_now), V::splat(1.0 - u.beta2))
            .flush(FLUSH);
        mean.flush(FLUSH).store(m);
        square.store(s);
        let below = V::splat(u.epsilon).fma(square.sqrt(), V::splat(u.root));
        let step = mean.mul(V::splat(u.rate)).div(below);
        V::load(w).mul(V::splat(u.keep)).sub(step).store(w);
    }
}
