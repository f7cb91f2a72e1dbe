"""Writes the golden files: weights, inputs, outputs and gradients of small PyTorch networks.

Run with torch, numpy and safetensors from PyPI: `python make.py`, here.
"""

import pathlib

import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
FEATURES, HIDDEN, LAYERS, OUTPUTS, STEPS, WINDOWS = 5, 19, 2, 3, 7, 4


class Network(torch.nn.Module):
    def __init__(self, cell):
        super().__init__()
        self.rnn = cell(FEATURES, HIDDEN, LAYERS, batch_first=True)
        self.head = torch.nn.Linear(HIDDEN, OUTPUTS)

    def forward(self, inputs):
        return self.head(self.rnn(inputs)[0][:, -1])


for name, cell in (("lstm", torch.nn.LSTM), ("gru", torch.nn.GRU)):
    torch.manual_seed(1)
    network = Network(cell)
    inputs = torch.randn(WINDOWS, STEPS, FEATURES, requires_grad=True)
    d_outputs = torch.randn(WINDOWS, OUTPUTS)
    outputs = network(inputs)
    outputs.backward(d_outputs)
    weights = {k: v.detach().contiguous() for k, v in network.state_dict().items()}
    save_file(weights, HERE / f"{name}.safetensors")
    values = {f"gradient.{k}": v.grad.contiguous() for k, v in network.named_parameters()}
    values |= {"inputs": inputs.detach(), "d_inputs": inputs.grad, "outputs": outputs.detach(), "d_outputs": d_outputs}
    save_file(values, HERE / f"{name}.values.safetensors")
