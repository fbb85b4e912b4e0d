"""The command that lists the models that come with the package."""

from __future__ import annotations

from twinsign.cli.console import console, print_table
from twinsign.cli.options import Flag
from twinsign.runs.shipped import shipped_models
from twinsign.terminal import print_json


def models(json: Flag) -> None:
    """List the models that come with twinsign, for --model: what they know, their accuracy, their licence.

    Args:
        json: Print one line of JSON per model instead of a table.
    """
    listed = shipped_models()
    if json:
        for model in listed:
            print_json({"name": model.name, "path": str(model.path), "bytes": model.size, **model.facts})
        return
    rows = []
    for model in listed:
        measured = [f"{row['top1']:.0f} % of {row['on']}" for row in model.facts["accuracy"]]
        rows.append([model.name, model.facts["what"], f"{model.size / 1e6:.1f}", "; ".join(measured)])
    print_table("Shipped models", ["name", "what it does", "MB", "right"], rows, left=("name", "what it does", "right"))
    for licence in sorted({model.facts["licence"] for model in listed}):
        console.print(f"weights: {licence}")
    console.print("More about each: docs/models.md. Example: twinsign predict hello.mp4 --model asl2000")
