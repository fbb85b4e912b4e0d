from __future__ import annotations

import csv
import warnings
import xml.etree.ElementTree as ET
from pathlib import Path

import polars as pl
import pytest
from pympi.Elan import Eaf

from twinsign.annotation.annotate import Annotated
from twinsign.annotation.naming import Name
from twinsign.annotation.writers import FORMATS, Document, write_document
from twinsign.datasets.elan import read_elan
from twinsign.inference.recogniser import Guess

NASTY = 'a<b> & "c",\n--> d'
SEGMENTS = [
    Annotated(0.04, 1.0, 1, 25, Name([Guess("HOUSE^1A*", 0.9), Guess("b", 0.05)], True, fits={"b": 0.05})),
    Annotated(
        1.0, 2.36, 25, 59, Name([Guess(NASTY, 0.4), Guess("Gebärde", 0.3)], False, "poses by another", {"b": 0.1})
    ),
    Annotated(3605.5, 3606.04, 90137, 90151, Name([Guess("b", 0.5)], False, fits={"b": 0.5})),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with all files of these segments, and an empty recording's."""
    media = tmp_path / "videos" / "a talk.mp4"
    media.parent.mkdir()
    media.write_bytes(b"")
    out = tmp_path / "out"
    out.mkdir()
    for form in FORMATS:
        write_document(Document("talk", SEGMENTS, media, "Ada"), out, form)
        write_document(Document("nothing", []), out, form)
    return out


def test_elan_files_hold_every_tier_and_link_the_media(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        eaf = Eaf(folder / "talk.eaf")
    assert list(eaf.get_tier_names()) == ["Segments", "Gloss", "Further guesses", "Confidence"]
    times = [(40, 1000), (1000, 2360), (3605500, 3606040)]
    assert [item[:2] for item in sorted(eaf.get_annotation_data_for_tier("Segments"))] == times
    glosses = sorted(eaf.get_ref_annotation_data_for_tier("Gloss"))
    assert [item[2].split() for item in glosses] == [["HOUSE^1A*"], NASTY.split(), ["b"]]
    assert [item[:2] for item in glosses] == times
    assert eaf.get_parameters_for_tier("Gloss")["PARENT_REF"] == "Segments"
    assert eaf.get_parameters_for_tier("Gloss")["PARTICIPANT"] == "Ada"
    (media,) = eaf.get_linked_files()
    assert media["RELATIVE_MEDIA_URL"] == "../videos/a talk.mp4"
    assert media["MEDIA_URL"].startswith("file:///")
    assert media["MIME_TYPE"] == "video/mp4"


def test_elan_files_have_the_structure_of_the_schema(folder: Path) -> None:
    order = ["LICENSE", "HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "LOCALE", "LANGUAGE", "CONSTRAINT"]
    for name in ("talk", "nothing"):
        root = ET.parse(folder / f"{name}.eaf").getroot()
        assert {"AUTHOR", "DATE", "VERSION", "FORMAT"} <= root.attrib.keys()
        places = [order.index(child.tag) for child in root]
        assert places == sorted(places)
        types = {item.get("LINGUISTIC_TYPE_ID"): item.get("CONSTRAINTS") for item in root.iter("LINGUISTIC_TYPE")}
        stereotypes = {item.get("STEREOTYPE") for item in root.iter("CONSTRAINT")}
        assert {kind for kind in types.values() if kind} <= stereotypes
        slots = {slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE", "-1")) for slot in root.iter("TIME_SLOT")}
        ids = [item.get("ANNOTATION_ID") for item in root.iter() if item.get("ANNOTATION_ID")]
        assert len(ids) == len(set(ids))
        for tier in root.iter("TIER"):
            refers = types[tier.get("LINGUISTIC_TYPE_REF")] is not None
            tags = {item.tag for item in tier.iterfind("ANNOTATION/*")}
            assert tags <= {"REF_ANNOTATION" if refers else "ALIGNABLE_ANNOTATION"}
        for item in root.iter("ALIGNABLE_ANNOTATION"):
            assert slots[item.get("TIME_SLOT_REF1")] < slots[item.get("TIME_SLOT_REF2")]
        assert all(item.get("ANNOTATION_REF") in ids for item in root.iter("REF_ANNOTATION"))


def test_our_own_reader_agrees(folder: Path) -> None:
    tiers = read_elan(folder / "talk.eaf", ["Gloss"])
    assert not tiers.problems
    assert [(mark.begin, mark.end, mark.value.split()) for mark in tiers.marks] == [
        (40, 1000, ["HOUSE^1A*"]),
        (1000, 2360, NASTY.split()),
        (3605500, 3606040, ["b"]),
    ]


def test_subtitles_have_a_cue_for_each_segment(folder: Path) -> None:
    vtt, srt = ((folder / f"talk.{ending}").read_text(encoding="utf-8") for ending in ("vtt", "srt"))
    assert vtt.startswith("WEBVTT\n\n1\n00:00:00.040 --> 00:00:01.000\nHOUSE^1A*\n\n2\n")
    assert "01:00:05.500 --> 01:00:06.040\nb?\n" in vtt
    assert "a&lt;b&gt; &amp; " in vtt
    assert vtt.count("-->") == srt.count("-->") == 3
    assert srt.startswith("1\n00:00:00,040 --> 00:00:01,000\nHOUSE^1A*\n\n2\n")
    assert (folder / "nothing.vtt").read_text() == "WEBVTT\n"


def test_tables_open_elsewhere(folder: Path) -> None:
    table = pl.read_csv(folder / "talk.csv")
    assert table["begin"].to_list() == [0.04, 1.0, 3605.5]
    assert table["first_frame"].to_list() == [1, 25, 90137]
    assert table["sure"].to_list() == [True, False, False]
    assert table["gloss_2"].to_list() == ["b", "Gebärde", None]
    assert table["fit:b"].to_list() == [0.05, 0.1, 0.5]
    with (folder / "talk.csv").open(encoding="utf-8", newline="") as stream:
        assert [row["gloss"] for row in csv.DictReader(stream)] == ["HOUSE^1A*", NASTY, "b"]
    assert (folder / "nothing.csv").read_text().startswith("recording,begin,end,")
