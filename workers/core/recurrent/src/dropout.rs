//! Random numbers by position: the mask of a sample does not depend on the order in which samples are worked on.

/// SplitMix64 (Steele, Lea and Flood 2014) read at any position.
#[derive(Clone, Copy)]
pub(crate) struct Random {
    key: u64,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            key: mix(seed ^ 0x9E37_79B9_7F4A_7C15),
        }
    }

    /// An independent stream.
    pub(crate) fn stream(self, number: u64) -> Self {
        Self {
            key: mix(self
                .key
                .wrapping_add(number.wrapping_mul(0xD134_2543_DE82_EF95))),
        }
    }

    /// Uniform in [0, 1) with 24 bits.
    pub(crate) fn uniform(self, position: u64) -> f32 {
        let bits = mix(self
            .key
            .wrapping_add(position.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
        (bits >> 40) as f32 / (1u32 << 24) as f32
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Fills a mask with 0 (probability `rate`) and `1 / (1 - rate)`.
pub(crate) fn fill(mask: &mut [f32], random: Random, rate: f32) {
    let kept = 1.0 / (1.0 - rate);
    for (i, m) in mask.iter_mut().enumerate() {
        *m = if random.uniform(i as u64) < rate {
            0.0
        } else {
            kept
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_have_their_rate_and_keep_the_mean() {
        let mut mask = vec![0.0; 20_000];
        fill(&mut mask, Random::new(7).stream(3), 0.25);
        let zeros = mask.iter().filter(|&&m| m == 0.0).count() as f64 / 20_000.0;
        assert!((zeros - 0.25).abs() < 0.01, "{zeros}");
        let mean = mask.iter().map(|&m| f64::from(m)).sum::<f64>() / 20_000.0;
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
        let mut other = vec![0.0; 20_000];
        fill(&mut other, Random::new(7).stream(4), 0.25);
        assert_ne!(mask, other);
    }
}
