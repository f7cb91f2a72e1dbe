//! Numbers with a shape.

/// A contiguous tensor of 32-bit floats, row-major: the last dimension varies fastest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl Tensor {
    /// `None` when the shape does not hold as many values, or overflows.
    pub fn new(shape: Vec<usize>, values: Vec<f32>) -> Option<Self> {
        (count(&shape) == Some(values.len())).then_some(Self { shape, values })
    }

    /// Sizes of the dimensions; empty for a single number.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The values alone.
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }

    /// The same values in another shape; `None` when it does not hold as many.
    pub fn reshaped(self, shape: Vec<usize>) -> Option<Self> {
        Self::new(shape, self.values)
    }
}

/// Values of a shape; `None` on overflow.
pub(crate) fn count(shape: &[usize]) -> Option<usize> {
    shape
        .iter()
        .try_fold(1_usize, |product, size| product.checked_mul(*size))
}

/// A shape as messages show it: `[-1,30]`.
pub(crate) fn show<T: ToString>(shape: &[T]) -> String {
    let sizes: Vec<String> = shape.iter().map(ToString::to_string).collect();
    format!("[{}]", sizes.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_holds_its_values_or_is_refused() {
        let tensor = Tensor::new(vec![2, 3], vec![0.0; 6]).unwrap();
        assert_eq!(tensor.clone().reshaped(vec![6]).unwrap().shape(), [6]);
        assert_eq!(tensor.reshaped(vec![7]), None);
        assert_eq!(Tensor::new(vec![usize::MAX, 2], Vec::new()), None);
        // Zero times anything is zero, but what comes before it may overflow.
        assert_eq!(Tensor::new(vec![usize::MAX, 2, 0], Vec::new()), None);
        assert!(Tensor::new(vec![], vec![1.0]).is_some());
        assert_eq!(show(&[-1, 30]), "[-1,30]");
    }
}
