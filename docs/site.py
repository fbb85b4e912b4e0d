"""Pages of the site that are made of what is elsewhere: the README as its home, other files of the root, docstrings."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "twinsign"
COMMANDS = ("cli", "__main__")
FROM_ROOT = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
    "changelog.md": "CHANGELOG.md",
}
"""Pages that are files of the repository's root."""
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
    made = {page: home((ROOT / file).read_text(encoding="utf-8")) for page, file in FROM_ROOT.items()}
    made |= {f"api/{room}.md": reference(room) for room in ROOMS if modules(room)}
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **given: Any) -> str:
    """Link what the texts name as a file of docs/, if there is such a page, and pages that are files of the root."""
    up = "../" * page.file.src_uri.count("/")
    for made, file in FROM_ROOT.items():
        markdown = markdown.replace(f"](../{file})", f"]({up}{made})")

    def link(match: re.Match[str]) -> str:
        there = (ROOT / "docs" / f"{match[1]}.md").is_file()
        return f"[{match[1]}]({up}{match[1]}.md)" if there else match[0]

    return re.sub(r"(?<![(\[`/])docs/(\w+)\.md\b", link, markdown)


def home(text: str) -> str:
    """A file of the root with links as they are from inside docs/."""
    for page, file in FROM_ROOT.items():
        text = text.replace(f"]({file})", f"]({page})")
    return re.sub(r"\]\(docs/", "](", text)


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
