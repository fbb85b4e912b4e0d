"""Work in processes: every task answered, whoever dies; nobody left behind."""

from __future__ import annotations

import multiprocessing
from functools import partial
from pathlib import Path

import pytest
from helpers import worker_tasks

from twinsign.errors import TwinsignError
from twinsign.extract.workers import TRIES, in_order, run_in_processes


def test_every_task_is_answered(tmp_path: Path) -> None:
    before = {*multiprocessing.active_children()}
    kinds = ["do", "die", "refuse", "do", "fail", "die once", "do", "exit", "do"]
    todo = [(kind, f"{kind}{number}") for number, kind in enumerate(kinds)]
    answers = list(run_in_processes(partial(worker_tasks.load, tmp_path), todo, 2))
    assert sorted(number for number, _ in answers) == list(range(len(todo)))
    reasons = {}
    for (kind, name), answer in zip(todo, in_order(answers), strict=True):
        if kind in ("do", "die once"):
            assert answer.error is None
            assert answer.result["name"] == name
        else:
            reasons[kind] = str(answer.error)
    assert "died 2 times (signal SIGKILL)" in reasons["die"]
    assert "died 2 times (exit code 7)" in reasons["exit"]
    assert reasons["refuse"] == "refuse2: found bad; wanted good."
    assert "RuntimeError: a bug" in reasons["fail"]
    for kind, number in (("die", 1), ("exit", 7)):
        assert len(list(tmp_path.glob(f"{kind}{number}.*"))) == TRIES
    assert len(list(tmp_path.glob("do*.*"))) == 4
    # A process loads once, and one takes the place of another that died while there are tasks.
    assert 2 + TRIES <= len(list(tmp_path.glob("loaded.*"))) <= 2 + 2 * TRIES + 1
    assert {*multiprocessing.active_children()} <= before


def test_no_more_processes_than_tasks(tmp_path: Path) -> None:
    assert list(run_in_processes(partial(worker_tasks.load, tmp_path), [], 4)) == []
    ((number, answer),) = run_in_processes(partial(worker_tasks.load, tmp_path), [("do", "one")], 4)
    assert (number, answer.result["name"]) == (0, "one")
    assert len(list(tmp_path.glob("loaded.*"))) == 1


def test_what_cannot_be_loaded_stops_all(tmp_path: Path) -> None:
    before = {*multiprocessing.active_children()}
    for load, said in ((worker_tasks.refuse, "found no model"), (worker_tasks.crash, "ImportError: no such library")):
        with pytest.raises(TwinsignError, match=said):
            list(run_in_processes(load, [("do", "one"), ("do", "two")], 2))
    assert {*multiprocessing.active_children()} <= before


def test_leaving_early_ends_busy_processes(tmp_path: Path) -> None:
    before = {*multiprocessing.active_children()}
    todo = [("do", "one"), ("wait", "two"), ("wait", "three")]
    answers = run_in_processes(partial(worker_tasks.load, tmp_path), todo, 2)
    assert next(answers)[0] == 0
    answers.close()  # type: ignore[attr-defined]  # what an interrupt does to a generator
    assert {*multiprocessing.active_children()} <= before
