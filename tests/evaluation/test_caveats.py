"""What a report says of its split's coverage, and of clips that the model was trained on."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
from helpers.trained_runs import Trained
from pyarrow import ipc

from twinsign.evaluation.caveats import coverage
from twinsign.evaluation.evaluate import evaluate
from twinsign.pack.open import Pack
from twinsign.pack.schema import MISSING_KEY
from twinsign.pack.selection import ClipSelection, EvaluationScope


def with_missing(source: Path, out: Path, rows: list[dict[str, str]]) -> Pack:
    """The pack with a list of clips that have no poses."""
    reader = ipc.open_file(pa.memory_map(str(source)))
    schema = reader.schema.with_metadata({**reader.schema.metadata, MISSING_KEY: json.dumps(rows).encode()})
    with ipc.new_file(out, schema) as file:
        for number in range(reader.num_record_batches):
            file.write_batch(reader.get_batch(number).replace_schema_metadata(schema.metadata))
    return Pack(out)


MISSING = [{"id": "x", "gloss": "a", "split": "test", "kind": "1"}, {"id": "y", "gloss": "b", "split": "train"}]


def test_missing_clips_of_the_split_count(trained: Trained, tmp_path: Path) -> None:
    pack = with_missing(trained.pack, tmp_path / "p", MISSING)
    rows = pack.select(["test"])
    found = coverage(pack, rows, EvaluationScope(["test"], []), 9)
    assert found == {"clips": 8, "listed": 9, "percent": 88.89, "classes": 4, "model_classes": 9}
    assert coverage(pack, rows, EvaluationScope(["test"], ["kind=2"]), 4)["percent"] == 100
    assert coverage(pack, pack.select(), EvaluationScope(None, []), 4)["listed"] == len(pack) + 2
    assert coverage(pack, rows, EvaluationScope(["test"], [], ["b", "c"]), 9)["listed"] == 8, (
        "a missing clip of a gloss left out"
    )
    assert coverage(pack, rows, EvaluationScope(["test"], [], ["a", "c"]), 9)["listed"] == 9
    unknown = coverage(Pack(trained.pack), rows, EvaluationScope(["test"], []), 4)
    assert (unknown["clips"], unknown["listed"], unknown["percent"]) == (8, None, None)


def test_evaluate_states_both(trained: Trained, tmp_path: Path) -> None:
    found = evaluate(trained.linear, ClipSelection([trained.pack]), ["test"]).report
    assert (found["overlap"], found["coverage"]["clips"], found["coverage"]["model_classes"]) == ([], 8, 4)
    train = evaluate(trained.linear, ClipSelection([trained.pack]), ["train"]).report
    assert len(train["overlap"]) == train["clips"] - len(train["handless_clips"]) > 0
