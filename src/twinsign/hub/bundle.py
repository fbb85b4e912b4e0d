"""Which files of a RUN are shared, and whether a folder of them is a whole and harmless run."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from twinsign.errors import InputError
from twinsign.recognise.calibrate import calibration_of
from twinsign.recognise.evaluate import load_classifier
from twinsign.run import CONFIG, EVALUATIONS, LABELS, METRICS, REPORT, VAL, WEIGHTS, Run, load_encoders, load_run

CARD = "README.md"
_PLAIN = (CARD, CONFIG, WEIGHTS, LABELS, METRICS, REPORT, VAL)
_EVALUATION = re.compile(rf"{EVALUATIONS}/[a-z+]+-[0-9a-f]{{16}}\.json")
_SAFE_UNTIL = "Content-Security-Policy"


def is_shared(name: str) -> bool:
    """Whether a file of this name, relative to the RUN, is pushed and pulled; checkpoints are not: they are pickles."""
    return name in _PLAIN or _EVALUATION.fullmatch(name) is not None


def shared_files(folder: Path) -> list[str]:
    """The names, relative to a RUN's folder, of its files that are shared, sorted (ours)."""
    found = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return sorted(name for name in found if is_shared(name))


def checked(folder: Path) -> Run:
    """The finished RUN in a folder, its weights loaded once to see that they fit; InputError where they do not."""
    run = load_run(folder)
    if run.kind == "classifier":
        load_classifier(run)
        _check_calibration(run)
    else:
        load_encoders(run)
    return run


def is_inert(page: Path) -> bool:
    """Whether a page begins as our report pages do, so that a browser runs no script of it and fetches nothing (ours).

    The policy stands before everything that another hand might have added.
    """
    template = files("twinsign.recognise").joinpath("report.html.j2").read_text(encoding="utf-8")
    head = template[: template.index(">", template.index(_SAFE_UNTIL)) + 1]
    return page.read_bytes().startswith(head.encode())


def _check_calibration(run: Run) -> None:
    fitted = run.about.get("calibration")
    numbers = isinstance(fitted, dict) and all(isinstance(one, int | float) for one in fitted.values())
    wanted = "a temperature and a threshold, or nothing"
    try:
        if fitted is not None and not (numbers and calibration_of(run)):
            raise InputError(f"calibration {fitted!r}", wanted, file=run.path / CONFIG)
    except TypeError as error:
        raise InputError(f"calibration {fitted!r}", wanted, file=run.path / CONFIG) from error
