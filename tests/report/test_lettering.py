from __future__ import annotations

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font

from twinsign.report.lettering import families, letter


def usual() -> tuple[str, ...]:
    return tuple(font_manager.FontProperties().get_family())


def test_latin_text_keeps_its_font() -> None:
    assert families("hello, Žluťoučký ✓ ✗") == usual()


def test_letters_of_another_font_are_found_in_it() -> None:
    own = FT2Font(font_manager.findfont(font_manager.FontProperties())).get_charmap()
    for entry in font_manager.fontManager.ttflist:
        if "Last Resort" in entry.name:  # boxes, not letters
            continue
        others = set(FT2Font(entry.fname).get_charmap()) - set(own)
        strange = next((chr(one) for one in sorted(others) if chr(one).isprintable()), None)
        if strange:
            break
    assert strange, "matplotlib itself ships fonts with further letters"
    found = families(f"a{strange}")
    assert found[0] == usual()[0]
    assert len(found) == len(usual()) + 1
    paths = [font_manager.findfont(font_manager.FontProperties(family=name)) for name in found[len(usual()) :]]
    assert any(ord(strange) in FT2Font(path).get_charmap() for path in paths)
    figure = Figure()
    plain, other = figure.text(0, 0, "a"), figure.text(0, 0, strange)
    letter(figure)
    assert (tuple(plain.get_fontfamily()), tuple(other.get_fontfamily())) == (usual(), families(strange))


def test_letters_that_no_font_has_stay_with_the_usual_one() -> None:
    assert families("\U000e0100\ufdd0 a") == usual()
    nowhere = chr(0x3FFFD)  # assigned to nothing
    assert families(nowhere) == usual()
