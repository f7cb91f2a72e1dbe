//! Latency of one sample on one thread, as a JSON line: `bench_infer DATA.safetensors CALLS`; the file is that of
//! `bench_train`.

use std::error::Error;
use std::time::Instant;

use foresail_recurrent::{InstructionSet, Predictor};

#[path = "bench_data/mod.rs"]
mod bench_data;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, path, calls] = args.as_slice() else {
        return Err("usage: bench_infer DATA CALLS".into());
    };
    let calls: usize = calls.parse()?;
    let data = bench_data::read(path)?;
    let shape = data.weights.shape();
    let predictor = Predictor::new(&data.weights, InstructionSet::detect())?;
    let mut state = predictor.state(1)?;
    let mut outputs = vec![0.0; shape.outputs];
    let window = data.steps * shape.features;
    let inputs: Vec<&[f32]> = data.inputs.chunks_exact(window).take(64).collect();
    predictor.window(&mut state, inputs[0], &mut outputs)?;
    let first = outputs.clone();
    let windows = latencies(calls, |i| {
        predictor.window(&mut state, inputs[i % inputs.len()], &mut outputs)
    })?;
    state.reset();
    let bars: Vec<&[f32]> = inputs[0].chunks_exact(shape.features).collect();
    let steps = latencies(20 * calls, |i| {
        predictor.step(&mut state, bars[i % bars.len()], &mut outputs)
    })?;
    println!(
        "{}",
        serde_json::json!({"peer": "ours", "window": windows, "step": steps, "first": first})
    );
    Ok(())
}

/// Median and 99th percentile in microseconds, after a tenth of the calls to warm up.
fn latencies<E: Error + 'static>(
    calls: usize,
    mut call: impl FnMut(usize) -> Result<(), E>,
) -> Result<serde_json::Value, Box<dyn Error>> {
    for i in 0..calls / 10 {
        call(i)?;
    }
    let mut times = Vec::with_capacity(calls);
    for i in 0..calls {
        let start = Instant::now();
        call(i)?;
        times.push(start.elapsed().as_nanos() as f64 / 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(serde_json::json!({"p50_us": times[calls / 2], "p99_us": times[calls * 99 / 100]}))
}
