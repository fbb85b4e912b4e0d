"""Pages of the site that are made of what is elsewhere: the README as its home, the changelog, the API's docstrings."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "twinsign"
COMMANDS = ("cli", "__main__")
ROOMS = [
    room
    for room in re.findall(
        r"^\| `(\w+)(?:\.py|/)` \|", (ROOT / "docs/design.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    if room not in COMMANDS
]
"""The library, in import order, as docs/design.md lists it; commands are described by --help."""


def on_config(config: Any) -> Any:
    """Name the API's pages in the navigation."""
    config.nav.append({"API": [{room: f"api/{room}.md"} for room in ROOMS if modules(room)]})
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the made pages to those of docs/."""
    made = {"index.md": home((ROOT / "README.md").read_text(encoding="utf-8"))}
    made["changelog.md"] = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    made |= {f"api/{room}.md": reference(room) for room in ROOMS if modules(room)}
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, **given: Any) -> str:
    """Link what the texts name as a file of docs/."""
    return re.sub(r"(?<![(\[`/])docs/(\w+)\.md\b", r"[\1](\1.md)", markdown)


def home(readme: str) -> str:
    """The README with links as they are from inside docs/."""
    return re.sub(r"\]\(docs/", "](", readme)


def modules(room: str) -> list[str]:
    """The public modules of a room by their full names; none where there is no such room."""
    file, folder = PACKAGE / f"{room}.py", PACKAGE / room
    if file.is_file():
        return [f"twinsign.{room}"]
    found = sorted(path.relative_to(PACKAGE).with_suffix("") for path in folder.rglob("*.py"))
    return [f"twinsign.{'.'.join(one.parts)}" for one in found if not one.name.startswith("_")]


def reference(room: str) -> str:
    """A room's page: what its docstring says, and its modules."""
    file = PACKAGE / f"{room}.py" if (PACKAGE / f"{room}.py").is_file() else PACKAGE / room / "__init__.py"
    about = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    lead = "" if len(modules(room)) == 1 else f"{about}\n\n"
    return f"# {room}\n\n{lead}" + "\n\n".join(f"::: {name}" for name in modules(room)) + "\n"
