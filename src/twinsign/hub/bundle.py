"""Which files of a RUN are shared, and whether a folder of them is a whole and harmless run."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from twinsign.runs.calibration import calibration_of
from twinsign.runs.models import load_classifier, load_encoders
from twinsign.runs.run import CONFIG, EVALUATIONS, LABELS, METRICS, REPORT, VAL, WEIGHTS, Run, load_run

CARD = "README.md"
_PLAIN = (CARD, CONFIG, WEIGHTS, LABELS, METRICS, REPORT, VAL)
_EVALUATION = re.compile(rf"{EVALUATIONS}/[a-z+]+-[0-9a-f]{{16}}\.json")
_SAFE_UNTIL = "Content-Security-Policy"
_TAG = re.compile(r"</?([a-z][^\s/>]*)", re.IGNORECASE)
_REACHING = re.compile(
    r"""[\s"'/](http-equiv|on[a-z]+|(form)?action|ping|srcset|background|poster)\s*=|(href|src)\s*=(?!"data:image/)""",
    re.IGNORECASE,
)
"""Attributes that run, send or open something. Also found in text: a page with such text is not taken either."""


def is_shared(name: str) -> bool:
    """Whether a file of this name, relative to the RUN, is pushed and pulled; checkpoints are not: they are pickles."""
    return name in _PLAIN or _EVALUATION.fullmatch(name) is not None


def shared_files(folder: Path) -> list[str]:
    """The names, relative to a RUN's folder, of its files that are shared, sorted."""
    found = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return sorted(name for name in found if is_shared(name))


def checked(folder: Path) -> Run:
    """The finished RUN in a folder, its weights loaded once to see that they fit; InputError where they do not."""
    run = load_run(folder)
    if run.kind == "classifier":
        load_classifier(run)
        calibration_of(run)
    else:
        load_encoders(run)
    return run


def is_inert(page: Path) -> bool:
    """Whether a page is made as our report pages are, and lets a browser run, fetch and open nothing.

    Its policy stands before all else, but does not hold back forms, links, `base` and `meta http-equiv=refresh`: only
    tags of a report are taken, no second `http-equiv`, no handler, and addresses within the page alone.
    """
    template = files("twinsign.report").joinpath("report.html.j2").read_text(encoding="utf-8")
    head = template[: template.index(">", template.index(_SAFE_UNTIL)) + 1]
    text = page.read_bytes().decode("utf-8", "replace")
    rest = text.removeprefix(head)
    ours, its = ({tag.lower() for tag in _TAG.findall(one)} for one in (template, rest))
    return rest != text and its <= ours and not _REACHING.search(rest)
