//! The parameters of a network as one flat vector.

use crate::dropout::Random;
use crate::error::Error;
use crate::shape::Shape;

/// Parameters in the layout of [`Shape::parameters`].
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    shape: Shape,
    values: Vec<f32>,
}

impl Weights {
    /// Uniform in ±1/sqrt(hidden), PyTorch's default for recurrent layers and, at this width, its head.
    ///
    /// # Errors
    /// [`Error::Size`].
    pub fn random(shape: Shape, seed: u64) -> Result<Self, Error> {
        let shape = shape.check()?;
        let bound = 1.0 / (shape.hidden as f32).sqrt();
        let random = Random::new(seed);
        let values = (0..shape.len())
            .map(|i| bound * (2.0 * random.uniform(i as u64) - 1.0))
            .collect();
        Ok(Self { shape, values })
    }

    /// Takes a flat vector.
    ///
    /// # Errors
    /// [`Error::Size`], [`Error::Length`], [`Error::NotFinite`].
    pub fn new(shape: Shape, values: Vec<f32>) -> Result<Self, Error> {
        let shape = shape.check()?;
        same_length("weights", values.len(), shape.len())?;
        if let Some(bad) = values.iter().position(|v| !v.is_finite()) {
            let parameters = shape.parameters();
            let name = parameters.into_iter().find(|p| p.range.contains(&bad));
            return Err(Error::NotFinite {
                what: name.map(|p| p.name).unwrap_or_default(),
            });
        }
        Ok(Self { shape, values })
    }

    /// The sizes.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The flat vector.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The flat vector, for an optimizer.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}

/// Refuses a slice of another length.
pub(crate) fn same_length(what: &'static str, is: usize, expected: usize) -> Result<(), Error> {
    if is == expected {
        return Ok(());
    }
    Err(Error::Length { what, is, expected })
}
