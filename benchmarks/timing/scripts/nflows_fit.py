"""The shortest loop over the same nine tenths of the rows; nothing is held out."""

import sys

import numpy as np
import torch
from nflows.distributions import StandardNormal
from nflows.flows import Flow
from nflows.transforms import CompositeTransform, PiecewiseRationalQuadraticCouplingTransform
from torch import nn


def network(inputs, outputs):
    layers = [nn.Linear(inputs, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU()]
    return Conditioner(*layers, nn.Linear(128, outputs))


class Conditioner(nn.Sequential):
    def forward(self, x, context=None):
        return super().forward(x)


X = torch.from_numpy(np.load(sys.argv[1]))[:9000]
layers = [
    PiecewiseRationalQuadraticCouplingTransform(
        (torch.arange(8) + i) % 2, network, num_bins=8, tails="linear", tail_bound=5.0
    )
    for i in range(6)
]
flow = Flow(CompositeTransform(layers), StandardNormal([8]))
optimizer = torch.optim.Adam(flow.parameters(), 1e-3, fused=True)
for _ in range(20):
    losses = []
    for x in X[torch.randperm(len(X))].split(256):
        optimizer.zero_grad()
        loss = -flow.log_prob(x).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
print(np.mean(losses))
