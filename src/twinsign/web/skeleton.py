"""How a page draws a skeleton, and which of the estimator's points the joints are."""

from __future__ import annotations

from typing import Any

from twinsign.pose.layout import BONES, HAND_WRIST, JOINTS, LEFT_HAND, MEDIAPIPE_TRUNK, RIGHT_HAND, TRUNK


def skeleton() -> dict[str, Any]:
    """Joints, bones, parts as [first, end), the hands' wrists, and MediaPipe's numbers of the trunk's joints."""
    parts = {"right": RIGHT_HAND, "left": LEFT_HAND, "trunk": TRUNK}
    return {
        "joints": JOINTS,
        "bones": BONES,
        "parts": {name: [part.start, part.stop] for name, part in parts.items()},
        "wrists": HAND_WRIST,
        "mediapipe_trunk": MEDIAPIPE_TRUNK,
    }
