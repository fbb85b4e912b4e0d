"""What a pack's rows and metadata hold."""

from __future__ import annotations

import pyarrow as pa

from twinsign.pose.layout import JOINT_COUNT, LAYOUT_VERSION

FORMAT_KEY = b"twinsign_layout"
"""Schema metadata: the layout version the pack was written with."""
PROVENANCE_KEY = b"twinsign_provenance"
"""Schema metadata: JSON of command, source and version."""
MISSING_KEY = b"twinsign_missing"
"""Schema metadata: JSON list of the clips (id, gloss, split) that the annotation lists without poses."""
ROWS_KEY = b"twinsign_rows"
"""Footer metadata: JSON list of the clips in each record batch; other programs that rewrite a pack drop it."""
FORMAT = str(LAYOUT_VERSION).encode()
SEEN_BYTES = (JOINT_COUNT + 7) // 8
SCORE_STEPS = 255
"""Scores are stored as whole numbers 0 to SCORE_STEPS."""
BATCH_CLIPS, BATCH_FRAMES, BATCH_MOST = 256, 256 * 100, 4096
"""An Arrow record batch is full at so many clips and so many frames, or, where these are short, at the most clips."""

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
POSE_HASH = "pose_hash"
OPTIONAL: dict[str, pa.DataType] = {POSE_HASH: pa.string()}
"""Columns that older packs lack. `pose_hash`: of a clip's stored coordinates and mask, so that copies are found."""
POSES: dict[str, pa.DataType] = {
    "xy": pa.list_(pa.list_(pa.float16(), JOINT_COUNT * 2)),
    "seen": pa.list_(pa.list_(pa.uint8(), SEEN_BYTES)),
    "score": pa.list_(pa.list_(pa.uint8(), JOINT_COUNT)),
}
"""A row a frame: image fractions x0 y0 x1 y1 …; bits of joints found (numpy.packbits); scores, null where none."""


def schema(extra: list[str], provenance: str, missing: str = "[]") -> pa.Schema:
    """Arrow schema of a pack whose annotation has `extra` columns."""
    fields = {**COLUMNS, **OPTIONAL, **{name: pa.string() for name in extra}, **POSES}
    metadata = {FORMAT_KEY: FORMAT, PROVENANCE_KEY: provenance.encode(), MISSING_KEY: missing.encode()}
    return pa.schema(list(fields.items()), metadata=metadata)
