"""rtmlib's pipeline on small ONNX models that find bright spots: needs the extra `rtm` and onnx (`make video`).

No published weights are at hand: the detector and the pose model are built here, in the form in which RTMPose (SimCC)
and YOLOX (with suppression inside) are exported, and read coordinates off the picture they are given.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.videos import make_video, picture

from twinsign.errors import InputError
from twinsign.extract.clip import extract, write
from twinsign.extract.config import EstimatorConfig
from twinsign.extract.estimator import identity, load_estimator
from twinsign.extract.video import Image
from twinsign.pose.layout import JOINTS, LEFT_HAND
from twinsign.pose.read import read

pytestmark = pytest.mark.slow
pytest.importorskip("rtmlib", reason="needs the extra `rtm`: run `make video`")
onnx = pytest.importorskip("onnx", reason="run `make video`")
WIDTH, HEIGHT = 96, 128
SIDE = 128
SIZE = (192, 128)
LEFT = range(91, 112)
FAR = 0.03


def model(path: Path, nodes: list[Any], shape: list[int], outputs: dict[str, list[Any]]) -> Path:
    """Write an ONNX model of one picture to these outputs."""
    from onnx import TensorProto, helper

    given = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", *shape])
    made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, sides) for name, sides in outputs.items()]
    graph = helper.make_graph(nodes, "spots", [given], made)
    built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(built)
    onnx.save(built, str(path))
    return path


def constant(name: str, values: Any) -> Any:
    from onnx import helper, numpy_helper

    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.asarray(values), name))


def pose_model(path: Path, points: int = 133) -> Path:
    """Every point lies where its colour stands out most: red, and blue for the points of the left hand.

    The picture comes in blue, green, red. SimCC: a score for each half pixel of each axis.
    """
    from onnx import helper

    weights = np.zeros((points, 3, 1, 1), np.float32)
    weights[:, 2], weights[:, 0] = 0.1, -0.1
    weights[LEFT.start : LEFT.stop, 2], weights[LEFT.start : LEFT.stop, 0] = -0.1, 0.1
    nodes = [
        constant("weights", weights),
        constant("bias", np.full(points, -0.1, np.float32)),
        helper.make_node("Conv", ["image", "weights", "bias"], ["colour"]),
        helper.make_node("Relu", ["colour"], ["bright"]),
        constant("scales", np.asarray([1, 1, 2], np.float32)),
    ]
    for name, axis in (("simcc_x", 2), ("simcc_y", 3)):
        nodes += [
            helper.make_node("ReduceMean", ["bright"], [f"{name}_line"], axes=[axis], keepdims=0),
            helper.make_node("Resize", [f"{name}_line", "", "scales"], [name], mode="linear"),
        ]
    shapes = {"simcc_x": ["batch", points, 2 * WIDTH], "simcc_y": ["batch", points, 2 * HEIGHT]}
    return model(path, nodes, [3, HEIGHT, WIDTH], shapes)


def detector(path: Path, boxes: list[list[float]]) -> Path:
    """Always the same persons: x, y, x, y in its own picture's pixels, and a score."""
    from onnx import helper

    nodes = [
        constant("boxes", np.asarray([boxes], np.float32)),
        constant("none", np.asarray(0, np.float32)),
        helper.make_node("ReduceSum", ["image"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "none"], ["zero"]),
        helper.make_node("Add", ["boxes", "zero"], ["persons"]),
    ]
    return model(path, nodes, [3, SIDE, SIDE], {"persons": [1, len(boxes), 5]})


def spots(red: tuple[float, float], blue: tuple[float, float]) -> Image:
    return picture(SIZE, red=red, blue=blue)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    steps = [spots((0.3 + 0.02 * t, 0.4), (0.6, 0.3 + 0.03 * t)) for t in range(6)]
    return make_video(tmp_path / "a.mp4", steps, size=SIZE)


def wanted() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    steps = np.arange(6)
    one, two = np.full(6, 0.4), np.full(6, 0.6)
    return np.stack([0.3 + 0.02 * steps, one], axis=1), np.stack([two, 0.3 + 0.03 * steps], axis=1)


def test_points_are_where_the_picture_has_them(video: Path, tmp_path: Path) -> None:
    # Half of the picture's size: its scale in the detector is 128 / 192.
    whole = [[0, 0, SIDE, SIDE * SIZE[1] / SIZE[0], 0.9]]
    for boxes in (None, whole):
        config = EstimatorConfig("rtm", pose_model(tmp_path / "pose.onnx"))
        if boxes:
            config = EstimatorConfig("rtm", config.pose_model, detector(tmp_path / "det.onnx", boxes))
        found = extract(video, load_estimator(config), max_side=96)
        got = found.recording.fractions()
        assert (got.size, got.estimator.split()[0], got.notes) == (SIZE, "rtmlib", ())
        assert got.seen.all()
        red, blue = wanted()
        for number in range(len(JOINTS)):
            place = blue if LEFT_HAND.start <= number < LEFT_HAND.stop else red
            np.testing.assert_allclose(got.xy[:, number], place, atol=FAR, err_msg=JOINTS[number])
        write(found, tmp_path / "a.pose", "pose")
        again = read(tmp_path / "a.pose")
        np.testing.assert_array_equal(again.xy, found.recording.xy)
        np.testing.assert_array_equal(again.score, found.recording.score)
        assert again.estimator == "coco_wholebody"


def test_several_persons_are_written_and_the_signer_is_followed(video: Path, tmp_path: Path) -> None:
    boxes = [[0, 0, 128, 85, 0.9], [60, 10, 100, 60, 0.8], [0, 0, 5, 5, 0.1]]
    config = EstimatorConfig("rtm", pose_model(tmp_path / "pose.onnx"), detector(tmp_path / "det.onnx", boxes))
    found = extract(video, load_estimator(config))
    assert found.pose.body.data.shape == (6, 2, 133, 2), "the unlikely one is none"
    assert len(found.recording.notes) == 1
    assert "several persons in 6 of 6 frames" in found.recording.notes[0]


def test_nobody_is_unseen(video: Path, tmp_path: Path) -> None:
    nobody = detector(tmp_path / "det.onnx", [[0, 0, 100, 80, 0.1]])
    config = EstimatorConfig("rtm", pose_model(tmp_path / "pose.onnx"), nobody)
    assert not extract(video, load_estimator(config)).recording.seen.any()


def test_unfit_models_are_named(video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = pose_model(tmp_path / "body.onnx", points=120)
    with pytest.raises(InputError, match=r"body.onnx.*a model of 120 points.*133"):
        extract(video, load_estimator(EstimatorConfig("rtm", body)))
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(InputError, match=r"bad.onnx.*cannot be loaded"):
        load_estimator(EstimatorConfig("rtm", tmp_path / "bad.onnx"))
    with pytest.raises(InputError, match=r"absent.onnx.*no such file"):
        identity(EstimatorConfig("rtm", tmp_path / "absent.onnx"))
    good = pose_model(tmp_path / "good.onnx")
    assert identity(EstimatorConfig("rtm", good)) != identity(EstimatorConfig("rtm", body))
    assert capsys.readouterr().out == "", "rtmlib's notices are not the user's"
