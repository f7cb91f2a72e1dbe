//! A slow LSTM and GRU in f64, one sample and one number at a time, to compare with.
#![allow(dead_code, clippy::unwrap_used)]

use foresail_recurrent::{Cell, InstructionSet, Shape};

/// SplitMix64, so that every test sees the same numbers.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Uniform in ±1.
    pub fn signed(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    }

    pub fn many(&mut self, n: usize, scale: f32) -> Vec<f32> {
        (0..n).map(|_| scale * self.signed()).collect()
    }
}

/// The instruction sets of this processor.
pub fn sets() -> Vec<InstructionSet> {
    [
        InstructionSet::Scalar,
        InstructionSet::Avx2,
        InstructionSet::Avx512,
    ]
    .into_iter()
    .filter(|set| set.available())
    .collect()
}

/// Largest difference over the largest magnitude of the truth.
pub fn error(values: &[f32], truth: &[f64]) -> f64 {
    assert_eq!(values.len(), truth.len());
    let norm = truth.iter().fold(0f64, |m, v| m.max(v.abs())).max(1e-30);
    let worst = values
        .iter()
        .zip(truth)
        .map(|(v, t)| (f64::from(*v) - t).abs());
    worst.fold(
        0f64,
        |m, v| if v.is_nan() { f64::INFINITY } else { m.max(v) },
    ) / norm
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// What one step of one layer keeps.
struct Kept {
    x: Vec<f64>,
    before: Vec<f64>,
    c_before: Vec<f64>,
    c: Vec<f64>,
    /// Activated gates by gate, then (GRU) the state's part of the candidate.
    gates: Vec<Vec<f64>>,
}

pub struct Reference {
    pub shape: Shape,
    pub weights: Vec<f64>,
}

impl Reference {
    pub fn new(shape: Shape, weights: &[f32]) -> Self {
        Self {
            shape,
            weights: weights.iter().map(|&w| f64::from(w)).collect(),
        }
    }

    fn tensor(&self, name: &str) -> (usize, &[f64]) {
        let list = self.shape.parameters();
        let found = list.into_iter().find(|p| p.name == name).unwrap();
        (found.range.start, &self.weights[found.range])
    }

    fn product(&self, name: &str, bias: &str, x: &[f64]) -> Vec<f64> {
        let (w, b) = (self.tensor(name).1, self.tensor(bias).1);
        let rows = w.chunks_exact(x.len()).zip(b);
        rows.map(|(w, b)| b + w.iter().zip(x).map(|(w, x)| w * x).sum::<f64>())
            .collect()
    }

    /// Outputs of one window `[steps][features]`, and what was kept, `[layer][step]`.
    fn window(&self, inputs: &[f64]) -> (Vec<f64>, Vec<Vec<Kept>>) {
        let hidden = self.shape.hidden;
        let mut xs: Vec<Vec<f64>> = inputs
            .chunks_exact(self.shape.features)
            .map(<[f64]>::to_vec)
            .collect();
        let mut all = Vec::new();
        for layer in 0..self.shape.layers {
            let (mut h, mut c) = (vec![0.0; hidden], vec![0.0; hidden]);
            let mut kept = Vec::new();
            for x in &mut xs {
                let (before, c_before) = (h.clone(), c.clone());
                let px = self.product(
                    &format!("rnn.weight_ih_l{layer}"),
                    &format!("rnn.bias_ih_l{layer}"),
                    x,
                );
                let ph = self.product(
                    &format!("rnn.weight_hh_l{layer}"),
                    &format!("rnn.bias_hh_l{layer}"),
                    &h,
                );
                let at = |gate: usize, unit: usize| gate * hidden + unit;
                let mut gates = vec![vec![0.0; hidden]; 4];
                for j in 0..hidden {
                    let sum = |gate| px[at(gate, j)] + ph[at(gate, j)];
                    match self.shape.cell {
                        Cell::Lstm => {
                            let (i, f, g, o) = (
                                logistic(sum(0)),
                                logistic(sum(1)),
                                sum(2).tanh(),
                                logistic(sum(3)),
                            );
                            c[j] = f * c[j] + i * g;
                            h[j] = o * c[j].tanh();
                            for (gate, v) in gates.iter_mut().zip([i, f, g, o]) {
                                gate[j] = v;
                            }
                        }
                        Cell::Gru => {
                            let (r, z) = (logistic(sum(0)), logistic(sum(1)));
                            let n = (px[at(2, j)] + r * ph[at(2, j)]).tanh();
                            h[j] = (1.0 - z) * n + z * before[j];
                            for (gate, v) in gates.iter_mut().zip([r, z, n, ph[at(2, j)]]) {
                                gate[j] = v;
                            }
                        }
                    }
                }
                kept.push(Kept {
                    x: std::mem::replace(x, h.clone()),
                    before,
                    c_before,
                    c: c.clone(),
                    gates,
                });
            }
            all.push(kept);
        }
        (
            self.product("head.weight", "head.bias", &xs[xs.len() - 1]),
            all,
        )
    }

    pub fn forward(&self, inputs: &[f32], windows: usize) -> Vec<f64> {
        let inputs: Vec<f64> = inputs.iter().map(|&x| f64::from(x)).collect();
        let window = inputs.len() / windows;
        inputs
            .chunks_exact(window)
            .flat_map(|w| self.window(w).0)
            .collect()
    }

    /// Gradients of the weights and of the inputs.
    pub fn backward(&self, inputs: &[f32], d_outputs: &[f32]) -> (Vec<f64>, Vec<f64>) {
        let windows = d_outputs.len() / self.shape.outputs;
        let inputs: Vec<f64> = inputs.iter().map(|&x| f64::from(x)).collect();
        let mut flat = vec![0.0; self.weights.len()];
        let mut dx = Vec::new();
        let rows = inputs.chunks_exact(inputs.len() / windows);
        for (window, d) in rows.zip(d_outputs.chunks_exact(self.shape.outputs)) {
            dx.extend(self.back_window(window, d, &mut flat));
        }
        (flat, dx)
    }

    fn add_product(
        &self,
        flat: &mut [f64],
        (name, bias): (&str, &str),
        x: &[f64],
        d: &[f64],
        dx: &mut [f64],
    ) {
        let (start, w) = self.tensor(name);
        let bias = self.tensor(bias).0;
        for (row, d) in d.iter().enumerate() {
            flat[bias + row] += d;
            for k in 0..x.len() {
                flat[start + row * x.len() + k] += d * x[k];
                dx[k] += d * w[row * x.len() + k];
            }
        }
    }

    fn back_window(&self, inputs: &[f64], d_outputs: &[f32], flat: &mut [f64]) -> Vec<f64> {
        let hidden = self.shape.hidden;
        let (_, kept) = self.window(inputs);
        let steps = kept[0].len();
        let mut above = vec![vec![0.0; hidden]; steps];
        let last = kept.last().unwrap().last().unwrap();
        let h = self.h_after(last);
        let d: Vec<f64> = d_outputs.iter().map(|&d| f64::from(d)).collect();
        self.add_product(
            flat,
            ("head.weight", "head.bias"),
            &h,
            &d,
            &mut above[steps - 1],
        );
        for layer in (0..self.shape.layers).rev() {
            let (mut dh, mut dc) = (vec![0.0; hidden], vec![0.0; hidden]);
            let mut below = Vec::new();
            for t in (0..steps).rev() {
                let k = &kept[layer][t];
                for (dh, above) in dh.iter_mut().zip(&above[t]) {
                    *dh += above;
                }
                let (dx_gates, dh_gates, mut before) = self.back_gates(k, &dh, &mut dc);
                let mut dx = vec![0.0; k.x.len()];
                let names = [
                    format!("rnn.weight_ih_l{layer}"),
                    format!("rnn.bias_ih_l{layer}"),
                ];
                self.add_product(flat, (&names[0], &names[1]), &k.x, &dx_gates, &mut dx);
                let names = [
                    format!("rnn.weight_hh_l{layer}"),
                    format!("rnn.bias_hh_l{layer}"),
                ];
                self.add_product(
                    flat,
                    (&names[0], &names[1]),
                    &k.before,
                    &dh_gates,
                    &mut before,
                );
                dh = before;
                below.push(dx);
            }
            below.reverse();
            above = below;
        }
        above.concat()
    }

    fn h_after(&self, k: &Kept) -> Vec<f64> {
        (0..self.shape.hidden)
            .map(|j| match self.shape.cell {
                Cell::Lstm => k.gates[3][j] * k.c[j].tanh(),
                Cell::Gru => (1.0 - k.gates[1][j]) * k.gates[2][j] + k.gates[1][j] * k.before[j],
            })
            .collect()
    }

    /// Gradients before the activations (of the input's and of the state's product), and what of `dh` goes straight
    /// to the state before.
    fn back_gates(&self, k: &Kept, dh: &[f64], dc: &mut [f64]) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let hidden = self.shape.hidden;
        let gates = self.shape.cell.gates();
        let (mut dx, mut ds) = (vec![0.0; gates * hidden], vec![0.0; gates * hidden]);
        let mut straight = vec![0.0; hidden];
        for j in 0..hidden {
            let g: Vec<f64> = k.gates.iter().map(|g| g[j]).collect();
            let (of_x, of_h) = match self.shape.cell {
                Cell::Lstm => {
                    let t = k.c[j].tanh();
                    let d = dc[j] + dh[j] * g[3] * (1.0 - t * t);
                    dc[j] = d * g[1];
                    let all = vec![
                        d * g[2] * g[0] * (1.0 - g[0]),
                        d * k.c_before[j] * g[1] * (1.0 - g[1]),
                        d * g[0] * (1.0 - g[2] * g[2]),
                        dh[j] * t * g[3] * (1.0 - g[3]),
                    ];
                    (all.clone(), all)
                }
                Cell::Gru => {
                    straight[j] = dh[j] * g[1];
                    let dn = dh[j] * (1.0 - g[1]) * (1.0 - g[2] * g[2]);
                    let dr = dn * g[3] * g[0] * (1.0 - g[0]);
                    let dz = dh[j] * (k.before[j] - g[2]) * g[1] * (1.0 - g[1]);
                    (vec![dr, dz, dn], vec![dr, dz, dn * g[0]])
                }
            };
            for gate in 0..gates {
                dx[gate * hidden + j] = of_x[gate];
                ds[gate * hidden + j] = of_h[gate];
            }
        }
        (dx, ds, straight)
    }
}
