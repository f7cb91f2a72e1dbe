//! Weights as safetensors with PyTorch's names.

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::error::Error;
use crate::shape::Shape;
use crate::weights::Weights;

impl Weights {
    /// As safetensors, f32, without metadata: equal weights are equal bytes.
    ///
    /// # Errors
    /// [`Error::Store`]; not for weights made by this crate.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, Error> {
        let bad = |error: safetensors::SafeTensorError| Error::Store(error.to_string());
        let bytes: Vec<u8> = self.values().iter().flat_map(|v| v.to_le_bytes()).collect();
        let mut views = Vec::new();
        for parameter in self.shape().parameters() {
            let part = parameter.range.start * 4..parameter.range.end * 4;
            let view = TensorView::new(Dtype::F32, parameter.dims, &bytes[part]).map_err(bad)?;
            views.push((parameter.name, view));
        }
        safetensors::serialize(views, None).map_err(bad)
    }

    /// From safetensors of exactly these tensors, in any order.
    ///
    /// # Errors
    /// [`Error::Store`] for a file that does not parse, a tensor that is missing, unknown, not f32 or of another
    /// shape; [`Error::NotFinite`]; [`Error::Size`].
    pub fn from_safetensors(shape: Shape, bytes: &[u8]) -> Result<Self, Error> {
        let shape = shape.check()?;
        let file = SafeTensors::deserialize(bytes).map_err(|e| Error::Store(e.to_string()))?;
        let parameters = shape.parameters();
        if let Some(name) = file
            .names()
            .into_iter()
            .find(|n| !parameters.iter().any(|p| p.name == **n))
        {
            return Err(Error::Store(format!(
                "{name:?} is not part of this network"
            )));
        }
        let mut values = vec![0.0; shape.len()];
        for parameter in parameters {
            let name = &parameter.name;
            let view = file
                .tensor(name)
                .map_err(|_| Error::Store(format!("{name} is missing")))?;
            if view.dtype() != Dtype::F32 || view.shape() != parameter.dims {
                return Err(Error::Store(format!(
                    "{name} is {:?} {:?}, expected F32 {:?}",
                    view.dtype(),
                    view.shape(),
                    parameter.dims
                )));
            }
            let (numbers, _) = view.data().as_chunks::<4>();
            for (value, bytes) in values[parameter.range].iter_mut().zip(numbers) {
                *value = f32::from_le_bytes(*bytes);
            }
        }
        Self::new(shape, values)
    }
}
