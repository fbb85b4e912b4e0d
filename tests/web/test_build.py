"""What `twinsign web` writes over, and the page that it makes of `serve`'s."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from twinsign.errors import InputError
from twinsign.web.build import POLICY, SHARED, _static_index, build_site
from twinsign.web.icons import SIDES, write_icons


def test_other_files_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("all of it")
    with pytest.raises(InputError, match="other files"):
        build_site(tmp_path / "no run", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_page_has_a_policy_and_nothing_of_a_server() -> None:
    text = (SHARED / "index.html").read_text()
    made = _static_index(text)
    assert POLICY in made
    assert "'unsafe-inline'" not in POLICY
    assert "'unsafe-eval'" not in POLICY.replace("'wasm-unsafe-eval'", "")
    assert 'href="docs"' not in made
    assert "app.webmanifest" in made
    assert 'href="/' not in made
    assert 'src="/' not in made, "works below any address"
    with pytest.raises(InputError, match="0 times"):
        _static_index(made)


def test_icons_are_what_telephones_ask_for(tmp_path: Path) -> None:
    assert write_icons(tmp_path) == SIDES
    for side in SIDES:
        with Image.open(tmp_path / f"icon-{side}.png") as icon:
            assert icon.size == (side, side)
            colours = {colour for _, colour in icon.getcolors(1 << 20) or []}
            assert {(11, 92, 107), (255, 255, 255)} <= colours
