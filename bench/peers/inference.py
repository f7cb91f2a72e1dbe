"""Latency of one sample, one thread: inference.py DATA torch|onnx CALLS. A window, and one step on a kept state."""

import io
import json
import sys

import numpy as np
import torch
from common import Data, latencies

torch.set_num_threads(1)
torch.set_flush_denormal(True)
data, peer, calls = Data(sys.argv[1]), sys.argv[2], int(sys.argv[3])


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = torch.nn.LSTM(data.features, data.hidden, data.layers, batch_first=True)
        self.head = torch.nn.Linear(data.hidden, data.outputs)

    def forward(self, inputs, h, c):
        y, (h, c) = self.rnn(inputs, (h, c))
        return self.head(y[:, -1]), h, c


network = Network().eval()
network.load_state_dict({name: torch.from_numpy(value) for name, value in data.weights.items()})
zero = np.zeros((data.layers, 1, data.hidden), np.float32)


def torch_session(steps):
    def call(inputs, h, c):
        with torch.inference_mode():
            return network(inputs, h, c)

    return call, torch.from_numpy


def onnx_session(steps):
    import onnxruntime

    file = io.BytesIO()
    arguments = (torch.zeros(1, steps, data.features), torch.from_numpy(zero), torch.from_numpy(zero))
    names = ["inputs", "h", "c"]
    torch.onnx.export(network, arguments, file, input_names=names, output_names=["y", "hn", "cn"], dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file.getvalue(), options, ["CPUExecutionProvider"])

    def call(*values):
        return session.run(None, dict(zip(names, values)))

    return call, lambda array: array


make = torch_session if peer == "torch" else onnx_session
call, convert = make(data.steps)
windows = [convert(data.inputs[i : i + 1]) for i in range(64)]
start = convert(zero)
first = np.asarray(call(windows[0], start, start)[0])[0].tolist()
window = latencies(lambda i: call(windows[i % 64], start, start), calls)
call, convert = make(1)
bars = [convert(data.inputs[:1, t : t + 1]) for t in range(data.steps)]
state = [start, start]


def one(i):
    state[:] = call(bars[i % data.steps], *state)[1:]


print(json.dumps({"peer": peer, "window": window, "step": latencies(one, 20 * calls), "first": first}))
