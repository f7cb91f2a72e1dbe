"""Training and inference of recurrent networks, ours beside Keras, TensorFlow, PyTorch and ONNX Runtime.

    python3 bench/train.py [--rounds 5] [--models S,M] [--threads 1,2] [--skip-inference]

Installs the peers from PyPI into $FORESAIL_CACHE/bench-venv at the first run (7 GB, most of it PyTorch's), builds
our example with the `dist` profile and runs everybody on the same generated data from the same start weights with
the same optimizer, one after the other, the order turned in every round. An epoch counts from the second on (the
first compiles and warms up). A ratio is taken within a round; printed are the median of the rounds and a bootstrap
95 % interval of it. CPU seconds are counted too: they are less sensitive to what else runs on the machine.
"""

import argparse
import os
import pathlib
import sys
import tempfile

from harness import CACHE, ROOT, build, install, interval, result

VENV = CACHE / "bench-venv"
PACKAGES = ["numpy", "safetensors", "tensorflow-cpu", "keras", "torch", "onnx", "onnxruntime"]
MODELS = {  # features, hidden, layers, windows, epochs
    "S": (16, 64, 1, 4096, 4),
    "M": (32, 128, 2, 1024, 4),
}
STEPS, OUTPUTS = 60, 5
PEERS = {
    "keras-fit": ["tf_train.py", "fit"],
    "tf-step": ["tf_train.py", "step"],
    "pytorch": ["torch_train.py"],
}


def write_data(path, features, hidden, layers, windows):
    """Start weights uniform in ±1/sqrt(hidden); targets that can be learned from the last steps."""
    import numpy as np
    from safetensors.numpy import save_file

    random = np.random.default_rng(7)
    bound = 1 / np.sqrt(hidden)
    tensors = {}

    def add(name, *shape):
        tensors[name] = random.uniform(-bound, bound, shape).astype(np.float32)

    for layer in range(layers):
        add(f"rnn.weight_ih_l{layer}", 4 * hidden, features if layer == 0 else hidden)
        add(f"rnn.weight_hh_l{layer}", 4 * hidden, hidden)
        # Keras has one bias where PyTorch has two; the second is zero and nobody trains it.
        add(f"rnn.bias_ih_l{layer}", 4 * hidden)
        tensors[f"rnn.bias_hh_l{layer}"] = np.zeros(4 * hidden, np.float32)
    add("head.weight", OUTPUTS, hidden)
    add("head.bias", OUTPUTS)
    inputs = random.standard_normal((windows, STEPS, features)).astype(np.float32)
    late = inputs[:, -OUTPUTS:]
    tensors["inputs"] = inputs
    tensors["targets"] = np.tanh(0.8 * late[:, :, 0] + 0.5 * late[:, :, 1] * late[:, :, 2]).astype(np.float32)
    save_file(tensors, path)


def run(command, threads):
    cpus = ",".join(str(cpu) for cpu in range(threads))
    return result(["taskset", "-c", cpus, *command], OMP_NUM_THREADS=str(threads), CUDA_VISIBLE_DEVICES="")


def speeds(timed):
    """Windows per second of time and of CPU, epochs from the second on."""
    import numpy as np

    rest = slice(1, None)
    wall = timed["windows"] / np.median(timed["seconds"][rest])
    return wall, timed["windows"] / (np.mean(timed["cpu_seconds"][rest]) or np.nan)


def training(examples, path, model, threads, rounds):
    epochs = MODELS[model][4]
    commands = {"ours": [examples / "bench_train", path, epochs, threads]}
    for name, (script, *rest) in PEERS.items():
        commands[name] = [sys.executable, ROOT / "bench/peers" / script, path, epochs, threads, *rest]
    results = {name: [] for name in commands}
    for index in range(rounds):
        names = list(commands) if index % 2 == 0 else list(commands)[::-1]
        for name in names:
            results[name].append(run(commands[name], threads))
    label = f"{model} {threads} thread{'s' if threads > 1 else ''}"
    ours = [speeds(r) for r in results["ours"]]
    for name, runs in results.items():
        wall, low, high = interval([speeds(r)[0] for r in runs])
        cpu = interval([speeds(r)[1] for r in runs])[0]
        print(f"{name} {label}: {wall:.0f} windows/s [{low:.0f}, {high:.0f}], {cpu:.0f} per CPU second")
    for name in PEERS:
        theirs = [speeds(r) for r in results[name]]
        for kind, what in enumerate(("", " (CPU seconds)")):
            ratio, low, high = interval([a[kind] / b[kind] for a, b in zip(ours, theirs)])
            print(f"ratio ours vs {name} {label}{what}: {ratio:.2f}x [{low:.2f}, {high:.2f}]")
        pairs = zip(results["ours"][0]["losses"], results[name][0]["losses"])
        worst = max(abs(a / b - 1) for a, b in pairs)
        print(f"loss curves ours vs {name} {label}: differ by at most {100 * worst:.2f} % ({'ok' if worst < 0.01 else 'NOT EQUAL'})")
    fraction, low, high = interval([r["fraction_of_peak"] for r in results["ours"]])
    peak = interval([r["peak_gflops"] for r in results["ours"]])[0]
    print(f"fraction of FMA peak {label}: {fraction:.2f} [{low:.2f}, {high:.2f}] of {peak:.0f} GFLOP/s, {results['ours'][0]['set']}")


def inference(examples, path, model, rounds, calls=2000):
    commands = {"ours": [examples / "bench_infer", path, calls]}
    for peer in ("torch", "onnx"):
        commands[peer] = [sys.executable, ROOT / "bench/peers/inference.py", path, peer, calls]
    results = {name: [] for name in commands}
    for index in range(rounds):
        for name in list(commands) if index % 2 == 0 else list(commands)[::-1]:
            results[name].append(run(commands[name], 1))
    first = results["ours"][0]["first"]
    for name, runs in results.items():
        worst = max(abs(a - b) for a, b in zip(first, runs[0]["first"]))
        for what in ("window", "step"):
            p50, p99 = (interval([r[what][p] for r in runs]) for p in ("p50_us", "p99_us"))
            print(
                f"{name} {model} batch 1 {what}: p50 {p50[0]:.1f} us [{p50[1]:.1f}, {p50[2]:.1f}],"
                f" p99 {p99[0]:.1f} us [{p99[1]:.1f}, {p99[2]:.1f}]"
            )
        print(f"{name} {model}: outputs differ from ours by at most {worst:.1e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", default="S,M")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--skip-inference", action="store_true")
    options = parser.parse_args()
    check = "import numpy, safetensors, tensorflow, keras, torch, onnx, onnxruntime"
    install(VENV, PACKAGES, check)
    examples = build("foresail-recurrent")
    print("command:", "python3", *sys.argv)
    print("load average before:", *os.getloadavg(), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for model in options.models.split(","):
            path = pathlib.Path(folder) / f"{model}.safetensors"
            write_data(path, *MODELS[model][:4])
            for threads in map(int, options.threads.split(",")):
                training(examples, path, model, threads, options.rounds)
                sys.stdout.flush()
            if not options.skip_inference:
                inference(examples, path, model, options.rounds)
                sys.stdout.flush()
    print("load average after:", *os.getloadavg())


if __name__ == "__main__":
    main()
