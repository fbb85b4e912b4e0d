"""The four adjacency subsets of a spatial-partition graph convolution."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from twinsign.pose.layout import Graph

SUBSETS = 4
"""Self, towards the centre, away from it, links between neighbours (method, Encoder)."""


def adjacency(graph: Graph) -> Tensor:
    """Adjacency (4 V V), [s, i, j] = what joint j takes of joint i, each column over j's degree (method, Encoder)."""
    subsets = np.zeros((SUBSETS, graph.joints, graph.joints), np.float32)
    subsets[0] = np.eye(graph.joints)
    for parent, child in graph.bones:
        subsets[1, child, parent] = 1
        subsets[2, parent, child] = 1
    for first, second in graph.links:
        subsets[3, first, second] = 1
        subsets[3, second, first] = 1
    # From numpy it is on the CPU even where weights are checked on the meta device, whose arithmetic takes a second.
    return torch.from_numpy(subsets / subsets.sum(axis=(0, 1)))
