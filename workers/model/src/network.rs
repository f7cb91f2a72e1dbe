//! Networks: a perceptron on the last feature row and an LSTM over the last `lookback` rows, on
//! Burn. Shapes: input `[batch, rows, features]`, output `[batch, steps]`, f32.

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::{Linear, LinearConfig, Lstm, LstmConfig};
use burn::store::{ModuleSnapshot, SafetensorsStore};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use foresail_crds::pipeline::spec::ModelKind;

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

/// A network.
#[derive(Module, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one per process, never moved about"
)]
pub enum Network {
    /// Two hidden layers on the last row.
    Mlp(Mlp),
    /// Last hidden state of a recurrent layer.
    Lstm(Recurrent),
}

/// Two hidden layers.
#[derive(Module, Debug)]
pub struct Mlp {
    first: Linear,
    second: Linear,
    head: Linear,
}

/// One recurrent layer.
#[derive(Module, Debug)]
pub struct Recurrent {
    lstm: Lstm,
    head: Linear,
}

impl Network {
    /// A network with weights drawn uniformly from `+-sqrt(1 / fan-in)` by `random` (values in
    /// `[0, 1)`), biases zero, so that equal seeds give equal networks on every machine. `None` for
    /// kinds that are no network.
    pub fn new(
        kind: ModelKind,
        shape: Shape,
        random: &mut dyn FnMut() -> f32,
        device: &Device,
    ) -> Option<Self> {
        let blank = Self::blank(kind, shape, device)?;
        Some(blank.map(&mut Seeding { random }))
    }

    fn blank(kind: ModelKind, shape: Shape, device: &Device) -> Option<Self> {
        let Shape {
            features,
            hidden,
            steps,
        } = shape;
        let linear = |from, to| LinearConfig::new(from, to).init(device);
        match kind {
            ModelKind::Mlp => Some(Self::Mlp(Mlp {
                first: linear(features, hidden),
                second: linear(hidden, hidden),
                head: linear(hidden, steps),
            })),
            ModelKind::Lstm => Some(Self::Lstm(Recurrent {
                lstm: LstmConfig::new(features, hidden, true).init(device),
                head: linear(hidden, steps),
            })),
            ModelKind::Naive | ModelKind::Linear => None,
        }
    }

    /// `[batch, rows, features]` to `[batch, steps]`.
    pub fn forward(&self, input: Tensor<3>) -> Tensor<2> {
        match self {
            Self::Mlp(net) => {
                let [batch, rows, features] = input.dims();
                let last = input
                    .slice([0..batch, rows - 1..rows])
                    .reshape([batch, features]);
                let inner = relu(net.second.forward(relu(net.first.forward(last))));
                net.head.forward(inner)
            }
            Self::Lstm(net) => {
                let (_, state) = net.lstm.forward(input, None);
                net.head.forward(state.hidden)
            }
        }
    }

    /// Multiplies the output of each step: labels are fitted in units of their deviation.
    #[must_use]
    pub fn scaled(mut self, factors: &[f32]) -> Self {
        let head = match &mut self {
            Self::Mlp(net) => &mut net.head,
            Self::Lstm(net) => &mut net.head,
        };
        let by = |device: &Device| {
            Tensor::<1>::from_data(TensorData::new(factors.to_vec(), [factors.len()]), device)
        };
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

    /// Prediction for the rows of one input, oldest first.
    ///
    /// # Errors
    /// [`ModelError::NotFinite`] when the backend gives no numbers.
    pub fn predict(&self, rows: &[Vec<f64>]) -> Result<Vec<f64>, ModelError> {
        let width = rows.first().map_or(0, Vec::len);
        let values: Vec<f32> = rows.iter().flatten().map(|v| *v as f32).collect();
        let data = TensorData::new(values, [1, rows.len(), width]);
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
    /// [`ModelError::Weights`] when they are not exactly those of this kind and shape.
    pub fn decode(bytes: &[u8], kind: ModelKind, shape: Shape) -> Result<Self, ModelError> {
        let wrong = ModelError::Weights;
        let device = Device::flex();
        let mut network = Self::blank(kind, shape, &device)
            .ok_or_else(|| wrong(format!("{kind:?} is no network")))?;
        let mut store = SafetensorsStore::from_bytes(Some(bytes.to_vec())).validate(true);
        let read = network
            .load_from(&mut store)
            .map_err(|e| wrong(e.to_string()))?;
        if !(read.missing.is_empty() && read.unused.is_empty() && read.errors.is_empty()) {
            return Err(wrong(format!(
                "they are not those of {kind:?} with {shape:?}"
            )));
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

    fn network(kind: ModelKind) -> Network {
        let mut state = 1u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1u32 << 24) as f32
        };
        Network::new(kind, SHAPE, &mut random, &Device::flex()).unwrap()
    }

    #[test]
    fn stored_and_read_again_it_gives_the_same_bits() {
        let rows = vec![vec![0.5, -1.0, 2.0], vec![0.1, 0.2, 0.3]];
        for kind in [ModelKind::Mlp, ModelKind::Lstm] {
            let net = network(kind);
            let bytes = net.encode().unwrap();
            assert_eq!(bytes, network(kind).encode().unwrap(), "equal seeds");
            let read = Network::decode(&bytes, kind, SHAPE).unwrap();
            let before = net.predict(&rows).unwrap();
            assert_eq!(before, read.predict(&rows).unwrap());
            assert_eq!(before.len(), 2);
            let doubled = net.scaled(&[2.0, 2.0]).predict(&rows).unwrap();
            for (twice, once) in doubled.iter().zip(&before) {
                assert!((twice - 2.0 * once).abs() < 1e-6, "{doubled:?} {before:?}");
            }
        }
    }

    #[test]
    fn other_weights_are_refused_and_damage_never_panics() {
        let bytes = network(ModelKind::Mlp).encode().unwrap();
        let wider = Shape { hidden: 5, ..SHAPE };
        assert!(Network::decode(&bytes, ModelKind::Mlp, wider).is_err());
        assert!(Network::decode(&bytes, ModelKind::Lstm, SHAPE).is_err());
        for cut in (0..bytes.len()).step_by(7) {
            assert!(Network::decode(&bytes[..cut], ModelKind::Mlp, SHAPE).is_err());
        }
    }

    #[test]
    fn the_perceptron_sees_the_last_row_and_the_lstm_all_of_them() {
        let last = vec![0.1, 0.2, 0.3];
        let pair = |first: f64| vec![vec![first; 3], last.clone()];
        let differ = |kind| {
            let net = network(kind);
            net.predict(&pair(0.0)).unwrap() != net.predict(&pair(1.0)).unwrap()
        };
        assert!(!differ(ModelKind::Mlp));
        assert!(differ(ModelKind::Lstm));
    }
}
