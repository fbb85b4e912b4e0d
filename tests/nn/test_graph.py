"""The adjacency subsets against the rule written out by hand."""

from __future__ import annotations

import pytest
import torch

from twinsign.nn.graph import SUBSETS, adjacency
from twinsign.pose.layout import HAND_GRAPH, HAND_GROUP_GRAPH, TRUNK_GRAPH, TRUNK_GROUP_GRAPH, Graph

GRAPHS = {"hand": HAND_GRAPH, "fingers": HAND_GROUP_GRAPH, "trunk": TRUNK_GRAPH, "arms": TRUNK_GROUP_GRAPH}
by_graph = pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)


@by_graph
def test_equals_the_rule_entry_by_entry(graph: Graph) -> None:
    found = adjacency(graph)
    assert found.shape == (SUBSETS, graph.joints, graph.joints)
    for taker in range(graph.joints):
        children = {child for parent, child in graph.bones if parent == taker}
        parents = {parent for parent, child in graph.bones if child == taker}
        linked = {b for a, b in graph.links if a == taker} | {a for a, b in graph.links if b == taker}
        degree = 1 + len(children) + len(parents) + len(linked)
        for giver in range(graph.joints):
            wanted = [float(giver in group) / degree for group in ({taker}, children, parents, linked)]
            assert found[:, giver, taker].tolist() == pytest.approx(wanted), (giver, taker)


@by_graph
def test_every_joint_takes_a_mean_and_every_joint_is_reached(graph: Graph) -> None:
    found = adjacency(graph)
    torch.testing.assert_close(found.sum(dim=(0, 1)), torch.ones(graph.joints))
    reach = (torch.linalg.matrix_power(found.sum(dim=0), graph.joints) > 0).all()
    assert reach


@by_graph
def test_towards_the_centre_and_away_from_it_are_opposites(graph: Graph) -> None:
    there, back = adjacency(graph)[1] > 0, adjacency(graph)[2] > 0
    assert torch.equal(there, back.T)
    assert not (there & back).any()
    assert int(there.sum()) == graph.joints - 1, "a tree"


def test_hand_links_by_name() -> None:
    wrist, index_tip, middle_tip, ring_tip = 0, 8, 12, 16
    subsets = adjacency(HAND_GRAPH)
    assert subsets[3, index_tip, middle_tip] > 0
    assert subsets[3, ring_tip, middle_tip] > 0
    assert subsets[3, index_tip, ring_tip] == 0
    assert subsets[:, index_tip, wrist].sum() == 0
    assert (subsets[1, :, wrist] > 0).nonzero().flatten().tolist() == [1, 5, 9, 13, 17]
