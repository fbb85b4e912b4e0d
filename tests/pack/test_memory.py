"""Random batches from a large pack touch their own clips' pages and copy no more than they hand out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from helpers.recordings import packed, recording
from pyarrow import ipc

CLIPS, FRAMES, COPIES, BATCHES, BATCH = 40, 500, 75, 50, 8
STATUS = Path("/proc/self/io")
READ = f"""
import json, sys
import numpy as np
from twinsign.pack.open import Pack

def kilobytes():
    # Own memory, and what was read from disk; mapped pages tell nothing: kernels map megabytes around a touched byte.
    lines = dict(line.split(":", 1) for name in ("status", "io") for line in open(f"/proc/self/{{name}}"))
    return np.array([int(lines["RssAnon"].split()[0]), int(lines["read_bytes"]) // 1024])

Pack(sys.argv[2]).flat([0])
before = kilobytes()
pack = Pack(sys.argv[1])
opened = kilobytes()
rng = np.random.default_rng(0)
largest = opened
for _ in range({BATCHES}):
    flat = pack.flat(rng.choice(len(pack), {BATCH}, replace=False))
    largest = np.maximum(largest, kilobytes())
print(json.dumps([len(pack), int(flat.length.sum()), *(opened - before).tolist(), *(largest - before).tolist()]))
"""


@pytest.mark.skipif(not STATUS.exists(), reason="memory and reads are taken from /proc")
def test_random_batches_do_not_load_the_pack(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    small = packed(tmp_path / "small", [recording(rng, str(number), FRAMES) for number in range(CLIPS)])
    table = ipc.open_file(pa.memory_map(str(small.paths[0]))).read_all()
    large = tmp_path / "large"
    with ipc.new_file(large, table.schema) as file:
        for _ in range(COPIES):
            file.write_table(table)
    with large.open("rb") as stream:
        os.fsync(stream.fileno())
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    size = large.stat().st_size / 1024
    assert size > 250_000
    command = [sys.executable, "-c", READ, str(large), str(small.paths[0])]
    path = os.pathsep.join(each for each in sys.path if each)
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    clips, frames, *growth = json.loads(done.stdout)
    assert (clips, frames) == (CLIPS * COPIES, BATCH * FRAMES)
    opened_own, opened_read, own, read = growth
    assert opened_own < 0.05 * size
    assert opened_read < 0.1 * size
    assert own < 0.05 * size
    assert read < 0.2 * size
