"""Work in processes: every task answered, whoever dies; nobody left behind."""

from __future__ import annotations

import multiprocessing
from functools import partial
from pathlib import Path

import pytest
from helpers import worker_tasks

from twinsign.errors import TwinsignError
from twinsign.extract.workers import TRIES, results


def test_every_task_is_answered(tmp_path: Path) -> None:
    kinds = ["do", "die", "refuse", "do", "fail", "die once", "do", "exit", "do"]
    todo = [(kind, f"{kind}{number}") for number, kind in enumerate(kinds)]
    found = dict(results(partial(worker_tasks.load, tmp_path), todo, 2))
    assert set(found) == set(todo)
    for (kind, name), answer in found.items():
        if kind in ("do", "die once"):
            assert isinstance(answer, dict)
            assert answer["name"] == name
        else:
            assert isinstance(answer, str)
    reasons = {kind: answer for (kind, _), answer in found.items() if isinstance(answer, str)}
    assert "died 2 times (signal SIGKILL)" in reasons["die"]
    assert "died 2 times (exit code 7)" in reasons["exit"]
    assert reasons["refuse"] == "refuse2: found bad; wanted good."
    assert "RuntimeError: a bug" in reasons["fail"]
    for kind, number in (("die", 1), ("exit", 7)):
        assert len(list(tmp_path.glob(f"{kind}{number}.*"))) == TRIES
    assert len(list(tmp_path.glob("do*.*"))) == 4
    # A process loads once, and one takes the place of another that died while there are tasks.
    assert 2 + TRIES <= len(list(tmp_path.glob("loaded.*"))) <= 2 + 2 * TRIES + 1
    assert multiprocessing.active_children() == []


def test_no_more_processes_than_tasks(tmp_path: Path) -> None:
    assert list(results(partial(worker_tasks.load, tmp_path), [], 4)) == []
    (_, answer), *rest = results(partial(worker_tasks.load, tmp_path), [("do", "one")], 4)
    assert rest == []
    assert answer["name"] == "one"
    assert len(list(tmp_path.glob("loaded.*"))) == 1


def test_what_cannot_be_loaded_stops_all(tmp_path: Path) -> None:
    for load, said in ((worker_tasks.refuse, "found no model"), (worker_tasks.crash, "ImportError: no such library")):
        with pytest.raises(TwinsignError, match=said):
            list(results(load, [("do", "one"), ("do", "two")], 2))
    assert multiprocessing.active_children() == []


def test_leaving_early_ends_busy_processes(tmp_path: Path) -> None:
    found = results(partial(worker_tasks.load, tmp_path), [("do", "one"), ("wait", "two"), ("wait", "three")], 2)
    assert next(found)[0] == ("do", "one")
    found.close()  # type: ignore[attr-defined]  # what an interrupt does to a generator
    assert multiprocessing.active_children() == []
