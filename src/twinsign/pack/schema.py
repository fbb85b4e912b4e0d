"""What a pack's rows and metadata hold."""

from __future__ import annotations

import pyarrow as pa

from twinsign.pose.layout import JOINT_COUNT, LAYOUT_VERSION

FORMAT_KEY = b"twinsign_layout"
"""Schema metadata: the layout version the pack was written with."""
PROVENANCE_KEY = b"twinsign_provenance"
"""Schema metadata: JSON of command, source and version."""
FORMAT = str(LAYOUT_VERSION).encode()
SEEN_BYTES = (JOINT_COUNT + 7) // 8
SCORE_STEPS = 255
"""Scores are stored as whole numbers 0 to SCORE_STEPS."""
BATCH_CLIPS = 256
"""Clips an Arrow record batch holds."""

COLUMNS: dict[str, pa.DataType] = {
    "id": pa.string(),
    "gloss": pa.string(),
    "split": pa.string(),
    "signer": pa.string(),
    "source": pa.string(),
    "estimator": pa.string(),
    "fps": pa.float32(),
    "width": pa.int32(),
    "height": pa.int32(),
    "frames": pa.int32(),
    "hand_frames": pa.int32(),
}
"""`hand_frames`: frames that show a hand; 0 flags a clip that training leaves out. Null: unknown."""
POSES: dict[str, pa.DataType] = {
    "xy": pa.list_(pa.list_(pa.float16(), JOINT_COUNT * 2)),
    "seen": pa.list_(pa.list_(pa.uint8(), SEEN_BYTES)),
    "score": pa.list_(pa.list_(pa.uint8(), JOINT_COUNT)),
}
"""A row a frame: image fractions x0 y0 x1 y1 …; bits of joints found (numpy.packbits); scores, null where none."""


def schema(extra: list[str], provenance: str) -> pa.Schema:
    """Arrow schema of a pack whose annotation has `extra` columns (ours)."""
    fields = {**COLUMNS, **{name: pa.string() for name in extra}, **POSES}
    return pa.schema(list(fields.items()), metadata={FORMAT_KEY: FORMAT, PROVENANCE_KEY: provenance.encode()})
