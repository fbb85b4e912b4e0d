"""An ONNX file made small without another answer: exact float16 weights, and none of the exporter's notes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from twinsign.files import write_bytes

SMALLEST = 1024
"""Fewest numbers of a tensor that is worth an operation of its own."""


def halve_exact_weights(file: Path) -> int:
    """Rewrite an ONNX file with its weights as float16 and a cast before each; returns how many numbers were halved.

    Weights that float16 cannot hold exactly stay as they are, so that the network computes the same.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model, casts, halved = onnx.load(file), [], 0
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < SMALLEST:
            continue
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), values):
            continue
        name, stored = tensor.name, f"{tensor.name}.float16"
        tensor.CopyFrom(numpy_helper.from_array(half, stored))
        casts.append(helper.make_node("Cast", [stored], [name], to=TensorProto.FLOAT))
        halved += values.size
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    write_bytes(file, model.SerializeToString())
    return halved


def strip_notes(file: Path) -> None:
    """Rewrite an ONNX file without what the exporter noted on its nodes: lines and paths of source code, and shapes.

    The file's own metadata stays.
    """
    import onnx

    model = onnx.load(file)
    for node in model.graph.node:
        node.ClearField("doc_string")
        del node.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.graph.value_info[:]
    write_bytes(file, model.SerializeToString())
