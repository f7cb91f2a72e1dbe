"""One set of weights for every server: serve_models.py FOLDER FEATURES HIDDEN LAYERS STEPS OUTPUTS WINDOWS.

Writes weights.safetensors (PyTorch's names and order of gates), model.onnx, model.keras, and windows.npz with windows and what a forward
pass in double precision, written out here, gives for them.
"""

import os
import pathlib
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["KERAS_BACKEND"] = "tensorflow"

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save
from safetensors.numpy import save_file

folder = pathlib.Path(sys.argv[1])
features, hidden, layers, steps, outputs, count = map(int, sys.argv[2:])


def weights():
    """Uniform in ±1/sqrt(hidden); the second bias is zero, as Keras has one."""
    random = np.random.default_rng(7)
    bound = 1 / np.sqrt(hidden)

    def draw(*shape):
        return random.uniform(-bound, bound, shape).astype(np.float32)

    tensors = {}
    for layer in range(layers):
        tensors[f"rnn.weight_ih_l{layer}"] = draw(4 * hidden, features if layer == 0 else hidden)
        tensors[f"rnn.weight_hh_l{layer}"] = draw(4 * hidden, hidden)
        tensors[f"rnn.bias_ih_l{layer}"] = draw(4 * hidden)
        tensors[f"rnn.bias_hh_l{layer}"] = np.zeros(4 * hidden, np.float32)
    tensors["head.weight"], tensors["head.bias"] = draw(outputs, hidden), draw(outputs)
    # Rounded, so that a window is about 8 KB of JSON and everybody reads the same numbers.
    windows = np.round(random.standard_normal((count, steps, features)), 5).astype(np.float32)
    return tensors, windows


def forward(tensors, windows):
    """Gates in the order input, forget, cell, output."""

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    w = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
    inputs = windows.astype(np.float64)
    for layer in range(layers):
        h, c, out = np.zeros((count, hidden)), np.zeros((count, hidden)), []
        for t in range(steps):
            gates = inputs[:, t] @ w[f"rnn.weight_ih_l{layer}"].T + h @ w[f"rnn.weight_hh_l{layer}"].T
            i, f, g, o = np.split(gates + w[f"rnn.bias_ih_l{layer}"], 4, axis=1)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            out.append(h)
        inputs = np.stack(out, axis=1)
    return inputs[:, -1] @ w["head.weight"].T + w["head.bias"]


def onnx(tensors):
    """Input `x` [batch, steps, features], output `y` [batch, outputs]. ONNX has the gates as input, output, forget, cell."""

    def gates(name):
        i, f, g, o = np.split(tensors[name], 4)
        return np.concatenate([i, o, f, g])[None]

    nodes = [helper.make_node("Transpose", ["x"], ["in0"], perm=[1, 0, 2])]
    constants = {"one": np.array([1]), "zero": np.array([0])}
    for n in range(layers):
        constants[f"w{n}"], constants[f"r{n}"] = gates(f"rnn.weight_ih_l{n}"), gates(f"rnn.weight_hh_l{n}")
        constants[f"b{n}"] = np.concatenate([gates(f"rnn.bias_ih_l{n}"), gates(f"rnn.bias_hh_l{n}")], axis=1)
        nodes.append(helper.make_node("LSTM", [f"in{n}", f"w{n}", f"r{n}", f"b{n}"], [f"all{n}", f"last{n}"], hidden_size=hidden))
        nodes.append(helper.make_node("Squeeze", [f"all{n}", "one"], [f"in{n + 1}"]))
    nodes.append(helper.make_node("Squeeze", [f"last{layers - 1}", "zero"], ["last"]))
    nodes.append(helper.make_node("Gemm", ["last", "head", "bias"], ["y"], transB=1))
    constants["head"], constants["bias"] = tensors["head.weight"], tensors["head.bias"]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", steps, features])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", outputs])
    initializers = [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "lstm", [x], [y], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    return model


def keras_model(tensors):
    import keras

    model = keras.Sequential([keras.Input((steps, features))])
    for n in range(layers):
        model.add(keras.layers.LSTM(hidden, return_sequences=n + 1 < layers))
        names = (f"rnn.weight_ih_l{n}", f"rnn.weight_hh_l{n}", f"rnn.bias_ih_l{n}")
        model.layers[-1].set_weights([tensors[name].T for name in names])
    model.add(keras.layers.Dense(outputs))
    model.layers[-1].set_weights([tensors["head.weight"].T, tensors["head.bias"]])
    return model


folder.mkdir(parents=True, exist_ok=True)
tensors, windows = weights()
save_file(tensors, folder / "weights.safetensors")
save(onnx(tensors), folder / "model.onnx")
keras_model(tensors).save(folder / "model.keras")
np.savez(folder / "windows.npz", x=windows, y=forward(tensors, windows))
