"""What every peer shares: reading the data, timing epochs, one JSON line as the result."""

import json
import os
import time

import numpy as np
from safetensors.numpy import load_file

BATCH = 64
RATE, EPSILON = 1e-3, 1e-9


class Data:
    def __init__(self, path):
        tensors = load_file(path)
        self.inputs = tensors.pop("inputs")
        self.targets = tensors.pop("targets")
        self.weights = tensors
        self.hidden = tensors["rnn.weight_hh_l0"].shape[1]
        self.layers = sum(name.startswith("rnn.weight_hh") for name in tensors)
        self.steps, self.features = self.inputs.shape[1:]
        self.outputs = self.targets.shape[1]

    def keras_layer(self, layer):
        """Kernel, recurrent kernel and bias of one layer; Keras has the gates in PyTorch's order."""
        w = self.weights
        bias = w[f"rnn.bias_ih_l{layer}"] + w[f"rnn.bias_hh_l{layer}"]
        return [w[f"rnn.weight_ih_l{layer}"].T.copy(), w[f"rnn.weight_hh_l{layer}"].T.copy(), bias]

    def keras_head(self):
        return [self.weights["head.weight"].T.copy(), self.weights["head.bias"]]


def cpu_seconds():
    times = os.times()
    return times.user + times.system


def epochs(data, count, run):
    """Calls run() once per epoch (it returns the mean loss) and prints the result."""
    seconds, cpu, losses = [], [], []
    for _ in range(count):
        start, used = time.perf_counter(), cpu_seconds()
        losses.append(float(run()))
        seconds.append(time.perf_counter() - start)
        cpu.append(cpu_seconds() - used)
    print(json.dumps({"windows": len(data.inputs), "seconds": seconds, "cpu_seconds": cpu, "losses": losses}))


def latencies(call, count):
    """p50 and p99 of call(i) in microseconds, after a tenth of the calls to warm up."""
    for i in range(count // 10):
        call(i)
    times = np.empty(count)
    for i in range(count):
        start = time.perf_counter_ns()
        call(i)
        times[i] = time.perf_counter_ns() - start
    p50, p99 = np.percentile(times, [50, 99]) / 1e3
    return {"p50_us": float(p50), "p99_us": float(p99)}
