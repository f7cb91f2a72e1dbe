"""PyTorch: torch_train.py DATA EPOCHS THREADS. Denormal numbers are flushed; the second bias stays fixed."""

import sys

import torch
from common import BATCH, EPSILON, RATE, Data, epochs

torch.set_num_threads(int(sys.argv[3]))
torch.set_flush_denormal(True)
data = Data(sys.argv[1])


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = torch.nn.LSTM(data.features, data.hidden, data.layers, batch_first=True)
        self.head = torch.nn.Linear(data.hidden, data.outputs)

    def forward(self, inputs):
        return self.head(self.rnn(inputs)[0][:, -1])


network = Network()
network.load_state_dict({name: torch.from_numpy(value) for name, value in data.weights.items()})
# Keras has one bias where PyTorch has two, which learn twice as fast.
trained = [parameter for name, parameter in network.named_parameters() if "bias_hh" not in name]
optimizer = torch.optim.Adam(trained, RATE, eps=EPSILON, fused=True)
inputs, targets = torch.from_numpy(data.inputs), torch.from_numpy(data.targets)


def run():
    total = 0.0
    for start in range(0, len(inputs), BATCH):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(network(inputs[start : start + BATCH]), targets[start : start + BATCH])
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / (len(inputs) // BATCH)


epochs(data, int(sys.argv[2]), run)
