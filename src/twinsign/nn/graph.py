"""The four adjacency subsets of a spatial-partition graph convolution."""

from __future__ import annotations

import torch
from torch import Tensor

from twinsign.pose.layout import Graph

SUBSETS = 4
"""Self, towards the centre, away from it, links between neighbours (method, Encoder)."""


def adjacency(graph: Graph) -> Tensor:
    """Adjacency (4 V V), [s, i, j] = what joint j takes of joint i, each column over j's degree (method, Encoder)."""
    subsets = torch.zeros(SUBSETS, graph.joints, graph.joints)
    subsets[0] = torch.eye(graph.joints)
    for parent, child in graph.bones:
        subsets[1, child, parent] = 1
        subsets[2, parent, child] = 1
    for first, second in graph.links:
        subsets[3, first, second] = 1
        subsets[3, second, first] = 1
    return subsets / subsets.sum(dim=(0, 1))
