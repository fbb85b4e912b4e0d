"""The table of features: every clip's row, the numbers of the encoders, provenance, and other tools that open it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from helpers.tiny_configs import pack_of, sample
from helpers.trained_runs import Trained

from twinsign.cli.main import main
from twinsign.errors import InputError
from twinsign.inference.embedder import FeatureChoice
from twinsign.inference.embeddings import read_embeddings, write_embeddings
from twinsign.nn.features import embed, fixed_views, joint_embedding
from twinsign.pack.open import Pack
from twinsign.runs.models import evaluation_loader, load_encoders
from twinsign.runs.run import load_run


@pytest.mark.parametrize("name", ["pretrained", "finetuned", "linear"])
def test_a_run_of_any_kind(trained: Trained, tmp_path: Path, name: str) -> None:
    run, pack, out, note = trained.folder / name, Pack(trained.pack), tmp_path / "f.parquet", tmp_path / "f.json"
    given = ["embed", "--model", str(run), "--data", str(trained.pack), "--out", str(out), "--json", str(note)]
    assert main([*given, "--split", "test,val"]) == 0
    found, rows = read_embeddings(out), pack.select(["test", "val"])
    assert found.ids == pack.table["id"].take(rows).to_pylist()
    loaded = load_run(run)
    wanted, _ = embed(
        load_encoders(loaded), evaluation_loader(pack, rows, loaded.recipe), fixed_views(loaded.recipe.windows, 8)
    )
    np.testing.assert_allclose(found.features["embedding"], joint_embedding(wanted).numpy(), atol=1e-6)
    for branch, whole in wanted.items():
        parts = found.features[f"{branch}_hand"] + found.features[f"{branch}_trunk"]
        np.testing.assert_allclose(parts, whole.numpy(), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found.features["embedding"], axis=1), 1, atol=1e-5)
    assert found.rows.equals(pack.table.take(rows))
    said = json.loads(note.read_text())
    assert {name: said[name] for name in found.provenance} == found.provenance
    assert (said["run_hash"], said["split_hash"]) == (loaded.digest(), pack.split_hash(rows))
    assert (said["kind"], said["view"], said["clips"]) == (loaded.kind, {"crop": 0.8, "windows": 2, "frames": 8}, 16)


def test_parts_branches_and_conditions(trained: Trained, tmp_path: Path) -> None:
    out, gloss = tmp_path / "f.parquet", str(Pack(trained.pack).column("gloss")[0])
    given = ["embed", "--model", str(trained.pretrained), "--data", str(trained.pack), "--out", str(out)]
    assert main([*given, "--branches", "motion", "--parts", "hand", "--where", f"gloss={gloss}"]) == 0
    found = read_embeddings(out)
    assert set(found.features) == {"motion_hand", "embedding"}
    assert set(found.shows) == {"hand"}
    assert found.rows["gloss"].unique().to_pylist() == [gloss]
    unit = torch.nn.functional.normalize(torch.from_numpy(found.features["motion_hand"].copy()), dim=1)
    np.testing.assert_allclose(found.features["embedding"], unit.numpy(), atol=1e-6)


def test_a_clip_without_a_part_says_so(trained: Trained, tmp_path: Path) -> None:
    pack = pack_of(tmp_path / "P", sample("a", "A"), sample("n", "B", hand=False))
    run = load_run(trained.linear)
    write_embeddings(tmp_path / "f.parquet", run, pack, np.arange(2))
    found = read_embeddings(tmp_path / "f.parquet")
    assert found.shows["hand"].tolist() == [True, False]
    assert found.shows["trunk"].tolist() == [True, True]
    assert not found.features["joint_hand"][1].any()
    assert found.features["joint_trunk"][1].any()


def test_equal_ids_of_two_packs_stay_apart(trained: Trained, tmp_path: Path) -> None:
    pack_of(tmp_path / "P", sample("a", "A", look=1), sample("b", "B", look=2))
    pack_of(tmp_path / "Q", sample("a", "A", look=3))
    pack, run = Pack([tmp_path / "P", tmp_path / "Q"]), load_run(trained.linear)
    counted: list[int] = []
    note = write_embeddings(tmp_path / "f.parquet", run, pack, np.arange(3), tick=counted.append)
    assert sum(counted) == 3
    ids = read_embeddings(tmp_path / "f.parquet").ids
    assert len(set(ids)) == 3
    assert ids[:2] == ["a", "b"]
    other = write_embeddings(tmp_path / "g.parquet", run, pack, np.arange(2))
    assert note["pose_hash"] != other["pose_hash"]


def test_other_tools_open_it(trained: Trained, tmp_path: Path) -> None:
    out, pack = tmp_path / "f.parquet", Pack(trained.pack)
    write_embeddings(out, load_run(trained.linear), pack, np.arange(len(pack)))
    found = read_embeddings(out)
    np.testing.assert_array_equal(pl.read_parquet(out)["embedding"].to_numpy(), found.features["embedding"])
    frame = pq.read_table(out).to_pandas()
    np.testing.assert_array_equal(np.stack(frame["embedding"]), found.features["embedding"])
    assert frame["gloss"].tolist() == pack.column("gloss")


@pytest.mark.parametrize(
    ("choice", "said"), [(FeatureChoice(["bone"]), "bone"), (FeatureChoice([], ["hand", "hand"]), "hand")]
)
def test_what_the_run_lacks_is_named(trained: Trained, tmp_path: Path, choice: FeatureChoice, said: str) -> None:
    pack = Pack(trained.pack)
    with pytest.raises(InputError, match=said):
        write_embeddings(tmp_path / "f.parquet", load_run(trained.linear), pack, np.arange(2), choice)
    assert not list(tmp_path.iterdir())


def test_a_files_own_columns_are_not_overwritten(trained: Trained, tmp_path: Path) -> None:
    one = sample("a", "A")
    pack = pack_of(tmp_path / "P", type(one)(one.id, one.read, {**one.row, "embedding": "x"}))
    with pytest.raises(InputError, match="column 'embedding'"):
        write_embeddings(tmp_path / "f.parquet", load_run(trained.linear), pack, np.arange(1))


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no parquet")
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "other.parquet")
    for name in ("text", "other.parquet", "absent"):
        with pytest.raises(InputError, match=name):
            read_embeddings(tmp_path / name)


def test_a_pack_is_not_written_over(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack = Path(shutil.copy(trained.pack, tmp_path / "P"))
    before = pack.read_bytes()
    assert main(["embed", "--model", str(trained.linear), "--data", str(pack), "--out", str(pack)]) == 2
    assert "the pack itself" in capsys.readouterr().err
    assert pack.read_bytes() == before


def test_another_kind_of_file_is_not_replaced(trained: Trained, tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    table.write_text("id,gloss\n")
    pack = Pack(trained.pack)
    with pytest.raises(InputError, match="no Parquet table"):
        write_embeddings(table, load_run(trained.finetuned), pack, np.arange(2))
    assert table.read_text() == "id,gloss\n"
    for _ in range(2):
        write_embeddings(tmp_path / "e.parquet", load_run(trained.finetuned), pack, np.arange(2))
