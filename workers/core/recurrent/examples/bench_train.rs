//! Training speed on generated data, as JSON lines: `bench_train DATA.safetensors EPOCHS THREADS [SET]`.
//!
//! The file holds the start weights under PyTorch's names, `inputs` [windows, steps, features] and `targets`
//! [windows, outputs]; `bench/train.py` writes it and runs the peers on the same one. Mean squared error, Adam with
//! a learning rate of 1e-3 and an epsilon of 1e-9, batches of 64 in the order of the file.

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use foresail_recurrent::{Adam, AdamOptions, InstructionSet, Mode, Options, Shape, Trainer};

const BATCH: usize = 64;

#[path = "bench_data/mod.rs"]
mod bench_data;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, path, epochs, threads, rest @ ..] = args.as_slice() else {
        return Err("usage: bench_train DATA EPOCHS THREADS [SET]".into());
    };
    let set = match rest.first().map(String::as_str) {
        Some("scalar") => InstructionSet::Scalar,
        Some("avx2") => InstructionSet::Avx2,
        _ => InstructionSet::detect(),
    };
    let data = bench_data::read(path)?;
    let options = Options {
        threads: threads.parse()?,
        set,
        ..Options::default()
    };
    train(data, epochs.parse()?, options)
}

fn train(
    mut data: bench_data::Data,
    epochs: usize,
    options: Options,
) -> Result<(), Box<dyn Error>> {
    let shape = data.weights.shape();
    let mut trainer = Trainer::new(shape, data.steps, BATCH, options)?;
    let constants = AdamOptions {
        epsilon: 1e-9,
        ..AdamOptions::default()
    };
    let mut adam = Adam::new(shape.len(), constants, options.set)?;
    let window = data.steps * shape.features;
    let windows = data.targets.len() / shape.outputs / BATCH * BATCH;
    // Keras has one bias where PyTorch has two, which learn twice as fast: the second stays as it is.
    let parameters = shape.parameters();
    let second = parameters
        .into_iter()
        .filter(|p| p.name.contains("bias_hh"));
    let fixed: Vec<_> = second.map(|p| p.range).collect();
    let mut losses = Vec::new();
    let (mut seconds, mut cpu) = (Vec::new(), Vec::new());
    for epoch in 0..epochs {
        let (start, used) = (Instant::now(), cpu_seconds()?);
        let mut loss = 0.0;
        for batch in 0..windows / BATCH {
            let inputs = &data.inputs[batch * BATCH * window..][..BATCH * window];
            let targets = &data.targets[batch * BATCH * shape.outputs..][..BATCH * shape.outputs];
            trainer.set_weights(&data.weights)?;
            let step = (epoch * windows / BATCH + batch) as u64;
            let outputs = trainer.forward(inputs, Mode::Train { step })?;
            let scale = 2.0 / targets.len() as f32;
            let d: Vec<f32> = outputs
                .iter()
                .zip(targets)
                .map(|(y, t)| scale * (y - t))
                .collect();
            loss += outputs
                .iter()
                .zip(targets)
                .map(|(y, t)| f64::from(y - t).powi(2))
                .sum::<f64>();
            let mut gradient = trainer.backward(&d)?.to_vec();
            fixed
                .iter()
                .cloned()
                .for_each(|range| gradient[range].fill(0.0));
            adam.step(data.weights.values_mut(), &gradient, 1e-3)?;
        }
        seconds.push(start.elapsed().as_secs_f64());
        cpu.push(cpu_seconds()? - used);
        losses.push(loss / (windows * shape.outputs) as f64);
    }
    let peak = peak(options.set) * options.threads as f64;
    let best = seconds.iter().copied().fold(f64::INFINITY, f64::min);
    let flops = work(shape, data.steps) * windows as f64;
    println!(
        "{}",
        serde_json::json!({
            "peer": "ours", "set": options.set.name(), "threads": options.threads,
            "features": shape.features, "hidden": shape.hidden, "layers": shape.layers, "steps": data.steps,
            "windows": windows, "seconds": seconds, "cpu_seconds": cpu, "losses": losses,
            "windows_per_second": windows as f64 / best,
            "peak_gflops": peak / 1e9, "fraction_of_peak": flops / best / peak,
        })
    );
    Ok(())
}

/// Processor time of all threads so far (Linux; in ticks of 10 ms).
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace();
    let ticks = fields
        .skip(11)
        .take(2)
        .map(str::parse::<f64>)
        .sum::<Result<f64, _>>()?;
    Ok(ticks / 100.0)
}

/// Floating-point operations of the matrix products of one window, forward and backward. The gradient of the first
/// layer's input is not needed, and not counted.
fn work(shape: Shape, steps: usize) -> f64 {
    let gates = shape.cell.gates() * shape.hidden;
    let layer = |l: usize| {
        let inputs = if l == 0 { shape.features } else { shape.hidden };
        let to_input = if l == 0 { 0 } else { inputs };
        2 * gates * (2 * (inputs + shape.hidden) + shape.hidden + to_input)
    };
    (steps * (0..shape.layers).map(layer).sum::<usize>()) as f64
}

/// Multiply-adds per second of one thread, times two: twelve independent sums in registers, best of ten.
fn peak(set: InstructionSet) -> f64 {
    let rounds = 2_000_000u64;
    let lanes = match set {
        InstructionSet::Scalar => 1,
        InstructionSet::Avx2 => 8,
        InstructionSet::Avx512 => 16,
    };
    let mut best = Duration::MAX;
    for _ in 0..10 {
        let start = Instant::now();
        match set {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the trainer was made with this set, which it refuses where the processor lacks it.
            InstructionSet::Avx512 => unsafe { fma512(rounds) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            InstructionSet::Avx2 => unsafe { fma256(rounds) },
            _ => {
                let mut sums = [0f32; 12];
                for _ in 0..rounds {
                    sums = sums.map(|s| black_box(s * 0.5 + 1.0));
                }
                black_box(sums);
            }
        }
        best = best.min(start.elapsed());
    }
    (rounds * 12 * 2 * lanes) as f64 / best.as_secs_f64()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn fma512(rounds: u64) {
    use std::arch::x86_64::*;
    let (a, b) = (
        _mm512_set1_ps(black_box(0.5)),
        _mm512_set1_ps(black_box(1.0)),
    );
    let mut sums = [a; 12];
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = _mm512_fmadd_ps(*sum, a, b);
        }
    }
    black_box(sums);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn fma256(rounds: u64) {
    use std::arch::x86_64::*;
    let (a, b) = (
        _mm256_set1_ps(black_box(0.5)),
        _mm256_set1_ps(black_box(1.0)),
    );
    let mut sums = [a; 12];
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = _mm256_fmadd_ps(*sum, a, b);
        }
    }
    black_box(sums);
}
