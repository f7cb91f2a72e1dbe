//! The perceptron on the last feature row, on Burn. Shapes: input `[batch, features]`, output
//! `[batch, steps]`, f32.

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::{Linear, LinearConfig};
use burn::store::{ModuleSnapshot, SafetensorsStore};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};

use crate::ModelError;

/// Sizes of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Columns of a row.
    pub features: usize,
    /// Units per layer.
    pub hidden: usize,
    /// Steps forecast.
    pub steps: usize,
}

/// Two hidden layers.
#[derive(Module, Debug)]
pub struct Network {
    first: Linear,
    second: Linear,
    head: Linear,
}

impl Network {
    /// A network with weights drawn uniformly from `+-sqrt(1 / fan-in)` by `random` (values in
    /// `[0, 1)`), biases zero, so that equal seeds give equal networks on every machine.
    pub fn new(shape: Shape, random: &mut dyn FnMut() -> f32, device: &Device) -> Self {
        Self::blank(shape, device).map(&mut Seeding { random })
    }

    fn blank(shape: Shape, device: &Device) -> Self {
        let linear = |from, to| LinearConfig::new(from, to).init(device);
        Self {
            first: linear(shape.features, shape.hidden),
            second: linear(shape.hidden, shape.hidden),
            head: linear(shape.hidden, shape.steps),
        }
    }

    /// `[batch, features]` to `[batch, steps]`.
    pub fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let inner = relu(self.second.forward(relu(self.first.forward(input))));
        self.head.forward(inner)
    }

    /// Multiplies the output of each step: labels are fitted in units of their deviation.
    #[must_use]
    pub fn scaled(mut self, factors: &[f32]) -> Self {
        let by = |device: &Device| {
            Tensor::<1>::from_data(TensorData::new(factors.to_vec(), [factors.len()]), device)
        };
        let head = &mut self.head;
        head.weight = head
            .weight
            .clone()
            .map(|w| w.clone() * by(&w.device()).unsqueeze());
        head.bias = head
            .bias
            .clone()
            .map(|bias| bias.map(|b| b.clone() * by(&b.device())));
        self
    }

    /// Prediction per step, `[steps]`, for one scaled row, `[features]`.
    ///
    /// # Errors
    /// [`ModelError::NotFinite`] when the backend gives no numbers.
    pub fn predict(&self, row: &[f64]) -> Result<Vec<f64>, ModelError> {
        let values: Vec<f32> = row.iter().map(|v| *v as f32).collect();
        let data = TensorData::new(values, [1, row.len()]);
        let output = self.forward(Tensor::from_data(data, &Device::flex()));
        let steps = output.into_data().try_to_vec::<f32>();
        let steps = steps.map_err(|_| ModelError::NotFinite)?;
        Ok(steps.into_iter().map(f64::from).collect())
    }

    /// As stored: safetensors, without metadata, so that equal weights are equal bytes.
    ///
    /// # Errors
    /// [`ModelError::Weights`].
    pub fn encode(&self) -> Result<Vec<u8>, ModelError> {
        let mut store = SafetensorsStore::from_bytes(None).clear_metadata();
        self.save_into(&mut store)
            .map_err(|e| ModelError::Weights(e.to_string()))?;
        store
            .get_bytes()
            .map_err(|e| ModelError::Weights(e.to_string()))
    }

    /// Reads stored weights.
    ///
    /// # Errors
    /// [`ModelError::Weights`] when they are not exactly those of this shape.
    pub fn decode(bytes: &[u8], shape: Shape) -> Result<Self, ModelError> {
        let to_error = ModelError::Weights;
        let device = Device::flex();
        let mut network = Self::blank(shape, &device);
        let mut store = SafetensorsStore::from_bytes(Some(bytes.to_vec())).validate(true);
        let read = network
            .load_from(&mut store)
            .map_err(|e| to_error(e.to_string()))?;
        if !(read.missing.is_empty() && read.unused.is_empty() && read.errors.is_empty()) {
            return Err(to_error(format!("they are not those of {shape:?}")));
        }
        Ok(network)
    }
}

/// Draws all weights anew.
struct Seeding<'a> {
    random: &'a mut dyn FnMut() -> f32,
}

impl ModuleMapper for Seeding<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|blank| {
            let (dims, device) = (blank.dims(), blank.device());
            let count = dims.iter().product();
            let limit = if D > 1 {
                (1.0 / dims[0].max(1) as f32).sqrt()
            } else {
                0.0
            };
            let mut draw = || ((self.random)() * 2.0 - 1.0) * limit;
            let values: Vec<f32> = (0..count).map(|_| draw()).collect();
            Tensor::from_data(TensorData::new(values, dims), &device)
                .set_require_grad(blank.is_require_grad())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape {
        features: 3,
        hidden: 4,
        steps: 2,
    };

    fn network() -> Network {
        let mut state = 1u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1u32 << 24) as f32
        };
        Network::new(SHAPE, &mut random, &Device::flex())
    }

    #[test]
    fn stored_and_read_again_it_gives_the_same_bits() {
        let row = [0.5, -1.0, 2.0];
        let net = network();
        let bytes = net.encode().unwrap();
        assert_eq!(bytes, network().encode().unwrap(), "equal seeds");
        let read = Network::decode(&bytes, SHAPE).unwrap();
        let before = net.predict(&row).unwrap();
        assert_eq!(before, read.predict(&row).unwrap());
        assert_eq!(before.len(), 2);
        let doubled = net.scaled(&[2.0, 2.0]).predict(&row).unwrap();
        for (twice, once) in doubled.iter().zip(&before) {
            assert!((twice - 2.0 * once).abs() < 1e-6, "{doubled:?} {before:?}");
        }
    }

    #[test]
    fn other_weights_are_refused_and_damage_never_panics() {
        let bytes = network().encode().unwrap();
        let wider = Shape { hidden: 5, ..SHAPE };
        assert!(Network::decode(&bytes, wider).is_err());
        for cut in (0..bytes.len()).step_by(7) {
            assert!(Network::decode(&bytes[..cut], SHAPE).is_err());
        }
    }
}
