"""Load a trained model of any kind by the name of its RUN."""

from __future__ import annotations

from os import PathLike

from twinsign.inference.embedder import Embedder
from twinsign.inference.recogniser import Recogniser
from twinsign.runs.models import load_classifier
from twinsign.runs.run import load_run


def load(model: str | PathLike[str], device: str = "cpu") -> Recogniser | Embedder:
    """Load a RUN folder: a Recogniser if it has a classifier, else the Embedder of its pre-trained encoders.

    Both have `embed`; a Recogniser has `predict` and `labels`, too. InputError says what is missing or wrong.

    Examples:
        >>> import twinsign as ts
        >>> model = ts.load("demo/run")
        >>> prediction = model.predict(ts.read("clip.npz"), top=3)
        >>> len(prediction.guesses)
        3
    """
    run = load_run(model)
    if run.kind == "classifier":
        return Recogniser(run, load_classifier(run).to(device))
    embedder = Embedder(run)
    embedder.encoders.to(device)
    return embedder
