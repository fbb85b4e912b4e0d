"""Which files of a RUN are shared, and whether a folder of them is a complete and harmless RUN."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from twinsign.annotation.segmenter import SEGMENTER, load_segmenter
from twinsign.runs.calibration import calibration_of
from twinsign.runs.models import load_classifier, load_encoders, load_whitening
from twinsign.runs.run import CONFIG, EVALUATIONS, LABELS, METRICS, REPORT, VAL, WEIGHTS, Run, load_run

CARD = "README.md"
_SHARED = {CARD, CONFIG, WEIGHTS, LABELS, METRICS, REPORT, VAL, SEGMENTER}
_EVALUATION = re.compile(rf"{EVALUATIONS}/[a-z+]+-[0-9a-f]{{16}}\.json")
_TAG = re.compile(r"</?([a-z][^\s/>]*)", re.IGNORECASE)
_ACTIVE = re.compile(
    r"""[\s"'/](http-equiv|on[a-z]+|(form)?action|ping|srcset|background|poster)\s*=|(href|src)\s*=(?!"data:image/)""",
    re.IGNORECASE,
)
"""Attributes that run, send or open something. Also matches text: a page with such text is not accepted either."""


def is_shared(name: str) -> bool:
    """Whether a file of this name, relative to the RUN, is pushed and pulled; checkpoints are not: they are pickles."""
    return name in _SHARED or _EVALUATION.fullmatch(name) is not None


def shared_files(folder: Path) -> list[str]:
    """The names, relative to a RUN's folder, of its files that are shared, sorted."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(filter(is_shared, names))


def load_checked_run(folder: Path) -> Run:
    """The finished RUN in a folder, its weights loaded once to check that they fit; InputError where they do not."""
    run = load_run(folder)
    if run.kind == "classifier":
        load_classifier(run)
        calibration_of(run)
    else:
        load_encoders(run)
        load_whitening(run)
    if (folder / SEGMENTER).is_file():
        load_segmenter(folder / SEGMENTER)
    return run


def is_inert(page: Path) -> bool:
    """Whether a page is made as our report pages are, and lets a browser run, fetch and open nothing.

    Its policy comes before everything else, but does not restrict forms, links, `base` and `meta http-equiv=refresh`:
    only tags of a report are accepted, no second `http-equiv`, no event handler, and only addresses within the page.
    """
    template = files("twinsign.report").joinpath("report.html.j2").read_text(encoding="utf-8")
    head = template[: template.index(">", template.index("Content-Security-Policy")) + 1]
    text = page.read_bytes().decode("utf-8", "replace")
    body = text.removeprefix(head)
    allowed, used = ({tag.lower() for tag in _TAG.findall(html)} for html in (template, body))
    return body != text and used <= allowed and not _ACTIVE.search(body)
