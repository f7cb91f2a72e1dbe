//! Sizes of a network and the layout of its parameters.

use std::ops::Range;

use crate::error::Error;
use crate::simd::{SLOTS, UNITS};

/// The recurrent cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Long short-term memory (Hochreiter and Schmidhuber 1997, with forget gate), gates in the order i, f, g, o.
    Lstm,
    /// Gated recurrent unit (Cho et al. 2014) with the reset gate after the product, as in PyTorch and cuDNN:
    /// n = tanh(W x + b + r (U h + c)); gates in the order r, z, n.
    Gru,
}

impl Cell {
    /// Gates of a unit: 4 or 3.
    #[must_use]
    pub fn gates(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Gru => 3,
        }
    }

    /// Slots of a panel that hold weights of the input, by gate.
    pub(crate) fn input_slots(self) -> &'static [usize] {
        match self {
            Self::Lstm => &[0, 1, 2, 3],
            Self::Gru => &[0, 1, 2],
        }
    }

    /// Slots of a panel that hold weights of the state, by gate.
    pub(crate) fn state_slots(self) -> &'static [usize] {
        match self {
            Self::Lstm => &[0, 1, 2, 3],
            Self::Gru => &[0, 1, 3],
        }
    }

    /// The slot without weights of the input, or `SLOTS`.
    pub(crate) fn input_skip(self) -> usize {
        if self == Self::Lstm { SLOTS } else { 3 }
    }

    /// The slot without weights of the state, or `SLOTS`.
    pub(crate) fn state_skip(self) -> usize {
        if self == Self::Lstm { SLOTS } else { 2 }
    }
}

/// Sizes of a network: recurrent layers, and one linear layer from the last hidden state to the outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The cell of every layer.
    pub cell: Cell,
    /// Values per step of the input, 1..=4096.
    pub features: usize,
    /// Hidden units per layer, 1..=4096.
    pub hidden: usize,
    /// Layers, 1..=16.
    pub layers: usize,
    /// Outputs per window (steps ahead, or steps times quantiles), 1..=4096.
    pub outputs: usize,
}

/// One parameter tensor inside the flat vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// PyTorch's name, for example `rnn.weight_ih_l0`.
    pub name: String,
    /// Rows and columns, or the length of a bias.
    pub dims: Vec<usize>,
    /// Its place in the flat vector.
    pub range: Range<usize>,
}

impl Shape {
    /// Refuses sizes out of range.
    ///
    /// # Errors
    /// [`Error::Size`].
    pub fn check(self) -> Result<Self, Error> {
        for (what, is, most) in [
            ("features", self.features, 4096),
            ("hidden", self.hidden, 4096),
            ("layers", self.layers, 16),
            ("outputs", self.outputs, 4096),
        ] {
            limit(what, is, most)?;
        }
        Ok(self)
    }

    /// Width of the input of a layer.
    pub(crate) fn inputs(self, layer: usize) -> usize {
        if layer == 0 {
            self.features
        } else {
            self.hidden
        }
    }

    /// Panels of 16 hidden units.
    pub(crate) fn panels(self) -> usize {
        self.hidden.div_ceil(UNITS)
    }

    /// Hidden units with padding.
    pub(crate) fn width(self) -> usize {
        self.panels() * UNITS
    }

    /// Every parameter in the order of the flat vector: by layer `weight_ih` [G H, F], `weight_hh` [G H, H],
    /// `bias_ih`, `bias_hh` [G H]; then `head.weight` [outputs, H] and `head.bias`.
    #[must_use]
    pub fn parameters(self) -> Vec<Parameter> {
        let rows = self.cell.gates() * self.hidden;
        let mut list = Vec::with_capacity(4 * self.layers + 2);
        let mut next = 0;
        let mut push = |name: String, dims: Vec<usize>| {
            let len = dims.iter().product::<usize>();
            list.push(Parameter {
                name,
                dims,
                range: next..next + len,
            });
            next += len;
        };
        for layer in 0..self.layers {
            push(
                format!("rnn.weight_ih_l{layer}"),
                vec![rows, self.inputs(layer)],
            );
            push(format!("rnn.weight_hh_l{layer}"), vec![rows, self.hidden]);
            push(format!("rnn.bias_ih_l{layer}"), vec![rows]);
            push(format!("rnn.bias_hh_l{layer}"), vec![rows]);
        }
        push("head.weight".into(), vec![self.outputs, self.hidden]);
        push("head.bias".into(), vec![self.outputs]);
        list
    }

    /// Length of the flat vector.
    #[must_use]
    pub fn len(self) -> usize {
        (0..self.layers).map(|l| self.layer_len(l)).sum::<usize>()
            + self.outputs * (self.hidden + 1)
    }

    /// Never: every size is at least one.
    #[must_use]
    pub fn is_empty(self) -> bool {
        false
    }

    fn layer_len(self, layer: usize) -> usize {
        self.cell.gates() * self.hidden * (self.inputs(layer) + self.hidden + 2)
    }

    /// Places of the tensors of a layer: `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh`.
    pub(crate) fn layer(self, layer: usize) -> [Range<usize>; 4] {
        let mut at = (0..layer).map(|l| self.layer_len(l)).sum::<usize>();
        let rows = self.cell.gates() * self.hidden;
        [rows * self.inputs(layer), rows * self.hidden, rows, rows].map(|len| {
            at += len;
            at - len..at
        })
    }

    /// Places of `head.weight` and `head.bias`.
    pub(crate) fn head(self) -> [Range<usize>; 2] {
        let end = self.len();
        let middle = end - self.outputs;
        [middle - self.outputs * self.hidden..middle, middle..end]
    }
}

/// Refuses zero and what is beyond `most`.
pub(crate) fn limit(what: &'static str, is: usize, most: usize) -> Result<(), Error> {
    if (1..=most).contains(&is) {
        return Ok(());
    }
    Err(Error::Size {
        what,
        is,
        least: 1,
        most,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_agree_with_the_list() {
        for cell in [Cell::Lstm, Cell::Gru] {
            let shape = Shape {
                cell,
                features: 3,
                hidden: 5,
                layers: 2,
                outputs: 2,
            };
            let list = shape.parameters();
            assert_eq!(list.last().unwrap().range.end, shape.len());
            for layer in 0..2 {
                for (i, range) in shape.layer(layer).into_iter().enumerate() {
                    assert_eq!(list[4 * layer + i].range, range);
                }
            }
            assert_eq!(shape.head(), [list[8].range.clone(), list[9].range.clone()]);
        }
    }

    #[test]
    fn sizes_out_of_range_are_refused() {
        let shape = Shape {
            cell: Cell::Gru,
            features: 0,
            hidden: 5,
            layers: 2,
            outputs: 2,
        };
        assert!(shape.check().is_err());
        assert!(
            Shape {
                features: 1,
                layers: 17,
                ..shape
            }
            .check()
            .is_err()
        );
        assert!(
            Shape {
                features: 1,
                ..shape
            }
            .check()
            .is_ok()
        );
    }
}
