from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font

from twinsign.errors import InputError
from twinsign.evaluation.metrics import ClipScores
from twinsign.report.figures import confusion_matrix
from twinsign.report.html import Table, font_families, png, svg, write_report

NASTY = '<script>alert("x")</script>'


class Page(HTMLParser):
    """The tags with their attributes, and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        if data.strip() and "style" not in self.open:
            self.text.append(data.strip())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def scored(names=("BOOK", NASTY, "你好", "$5$")) -> ClipScores:
    generator = np.random.default_rng(0)
    labels = np.arange(40) % len(names)
    scores = generator.normal(size=(40, len(names)))
    scores[np.arange(40), labels] += 1
    return ClipScores([f"clip{i}" for i in range(40)], list(names), labels, scores)


def write(path: Path, **changes) -> tuple[str, Page]:
    figure = Figure(figsize=(2, 1))
    figure.add_subplot().plot([0, 1])
    table = Table("Numbers", ["Name", "Value"], [["one", 1], ["two", 2.5]], "Note.")
    given = {
        "title": "Report",
        "lead": "Lead.",
        "facts": {"Seed": "0"},
        "tables": [table],
        "figures": [("Curve", "A line.", figure)],
    }
    write_report(path, **(given | changes))
    page = path.read_text(encoding="utf-8")
    parsed = Page(page)
    assert parsed.open == []
    return page, parsed


def test_a_page_holds_what_it_was_given(tmp_path: Path) -> None:
    _, parsed = write(tmp_path / "new" / "report.html")
    for text in ("Report", "Lead.", "Seed", "0", "Numbers", "Name", "one", "2.50", "Note.", "Curve", "A line."):
        assert text in parsed.text
    (image,) = parsed.all("img")
    assert (image["alt"], image["width"], image["height"]) == ("Curve", "192", "96")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.html"]


def test_nothing_is_fetched_and_nothing_runs(tmp_path: Path) -> None:
    page, parsed = write(tmp_path / "report.html")
    assert not parsed.all("script")
    assert not parsed.all("link")
    assert all(image["src"].startswith("data:image/svg+xml;base64,") for image in parsed.all("img"))
    assert not re.search(r"https?://|@import|url\(|\bon\w+=", page)
    assert any("default-src 'none'" in (meta.get("content") or "") for meta in parsed.all("meta"))


def test_everything_from_outside_is_escaped(tmp_path: Path) -> None:
    figure = Figure()
    page, parsed = write(
        tmp_path / "report.html",
        title=NASTY,
        lead=NASTY,
        facts={NASTY: NASTY},
        tables=[Table(NASTY, [NASTY], [[NASTY]], NASTY)],
        figures=[(f'{NASTY}" onload="x', NASTY, figure)],
    )
    assert "<script" not in page
    assert parsed.text.count(NASTY) == 10
    assert parsed.all("img")[0]["alt"] == f'{NASTY}" onload="x'
    assert "onload" not in parsed.all("img")[0]


def test_numbers_stand_right_and_gaps_are_dashes(tmp_path: Path) -> None:
    rows = [["a", 12345, None, "7"], ["b", 2, np.float32(1.5), 8], ["c", np.int64(3), None, 9]]
    table = Table("T", ["Text", "Whole", "Real", "Mixed"], rows)
    assert table.numeric() == [False, True, True, False]
    _, parsed = write(tmp_path / "report.html", tables=[table])
    cells = parsed.all("th") + parsed.all("td")
    assert [cell.get("class") for cell in cells] == [None, "number", "number", None] * 4
    for text in ("12,345", "–", "1.50", "3"):
        assert text in parsed.text


def test_a_table_of_uneven_rows_is_refused() -> None:
    with pytest.raises(InputError, match="found 1 cells in row 1 of table 'T'; wanted 2"):
        Table("T", ["a", "b"], [[1, 2], [3]])


def test_empty_parts_and_odd_characters(tmp_path: Path) -> None:
    page, parsed = write(tmp_path / "report.html", title="half \ud800 pair", facts={}, tables=[], figures=[])
    assert not parsed.all("dl")
    assert not parsed.all("img")
    assert "half ? pair" in page


def test_a_failed_report_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    page, _ = write(path)
    broken = Figure()
    broken.add_subplot().set_title("$\\frac$")
    with pytest.raises(ValueError, match="frac"):
        write(path, figures=[("Broken", "", broken)])
    assert path.read_text(encoding="utf-8") == page
    assert [found.name for found in tmp_path.iterdir()] == ["report.html"]


def test_pictures_are_wellformed_repeatable_and_keep_their_letters() -> None:
    clips = scored()
    first, second = svg(confusion_matrix(clips)), svg(confusion_matrix(clips))
    assert first == second
    texts = ["".join(element.itertext()) for element in ElementTree.fromstring(first).iter() if "text" in element.tag]
    for gloss in ("BOOK", "你好", "$5$", NASTY[:19] + "…"):
        assert gloss in texts


def usual() -> tuple[str, ...]:
    return tuple(font_manager.FontProperties().get_family())


def test_latin_text_keeps_its_font() -> None:
    assert font_families("hello, Žluťoučký ✓ ✗") == usual()


def test_letters_of_another_font_are_found_in_it() -> None:
    own = FT2Font(font_manager.findfont(font_manager.FontProperties())).get_charmap()
    for entry in font_manager.fontManager.ttflist:
        if "Last Resort" in entry.name:  # boxes, not letters
            continue
        further = set(FT2Font(entry.fname).get_charmap()) - set(own)
        strange = next((chr(one) for one in sorted(further) if chr(one).isprintable()), None)
        if strange:
            break
    assert strange, "matplotlib itself ships fonts with further letters"
    found = font_families(f"a{strange}")
    assert found[0] == usual()[0]
    assert len(found) == len(usual()) + 1
    paths = [font_manager.findfont(font_manager.FontProperties(family=name)) for name in found[len(usual()) :]]
    assert any(ord(strange) in FT2Font(path).get_charmap() for path in paths)
    figure = Figure()
    plain, other = figure.text(0, 0, "a"), figure.text(0, 0, strange)
    png(figure)
    assert (tuple(plain.get_fontfamily()), tuple(other.get_fontfamily())) == (usual(), font_families(strange))


def test_letters_that_no_font_has_stay_with_the_usual_one() -> None:
    assert font_families("\U000e0100\ufdd0 a") == usual()
    nowhere = chr(0x3FFFD)  # assigned to nothing
    assert font_families(nowhere) == usual()
