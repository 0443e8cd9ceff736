"""Chapters as exact WebVTT, and as an ID3 tag that mutagen parses."""

from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutagen.id3 import ID3, CTOCFlags

from clipstitch.common.identifiers import ManifestRef, ObjectRef
from clipstitch.planning.chapters import MIN_PART_BYTES, Chapter, chapters_of, id3_size, id3_tag, webvtt, webvtt_ref
from clipstitch.planning.plan import PlacedClip, Plan, PlannedOutput

QUIET = settings(database=None, deadline=None, max_examples=60)
CHAPTERS = [Chapter("One", 0, 1500), Chapter("Deux & <trois>", 1500, 3_723_004), Chapter("", 3_723_004, 360_000_000)]


def plan(*clips: PlacedClip, key: str = "out/ep.1.mp3", duration_s: float = 10.0) -> Plan:
    """Return a plan of which only the clips matter."""
    job = "20260102T030405Z-0123456789ab"
    target = PlannedOutput(ObjectRef("acme", key), "mp3", 44100, 2, overwrite=False, chapters=True)
    return Plan(job, ManifestRef(ObjectRef("acme", "m.json"), "E"), target, duration_s, clips, (), ())


def parsed(tag: bytes) -> Any:
    """Parse a tag in front of some audio."""
    parse: Any = ID3
    return parse(BytesIO(tag + b"\xff\xfb\x90\x00" * 100))


def test_webvtt_is_exact() -> None:
    """W3C WebVTT: a header, then cues of number, times and text, separated by empty lines."""
    assert (
        "WEBVTT\n"
        "\n1\n00:00:00.000 --> 00:00:01.500\nOne\n"
        "\n2\n00:00:01.500 --> 01:02:03.004\nDeux &amp; &lt;trois&gt;\n"
        "\n3\n01:02:03.004 --> 100:00:00.000\n–\n"
    ) == webvtt(CHAPTERS)


def test_without_chapters_there_is_a_header() -> None:
    """It is a valid WebVTT file."""
    assert "WEBVTT\n" == webvtt([])


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("a --> b", "a --&gt; b"),
        ("two\nlines\r\n\nmore", "two lines more"),
        ("a\u2028b\tc", "a b c"),
        ("&amp;", "&amp;amp;"),
        ("NOTE x", "NOTE x"),
    ],
)
def test_no_title_can_break_out_of_its_cue(title: str, text: str) -> None:
    """Line ends and arrows are syntax in WebVTT."""
    assert f"WEBVTT\n\n1\n00:00:00.000 --> 00:00:00.001\n{text}\n" == webvtt([Chapter(title, 0, 1)])


@pytest.mark.parametrize(
    ("key", "beside"),
    [("out/ep.1.mp3", "out/ep.1.vtt"), ("ep.mp3", "ep.vtt"), ("a.b/ep", "a.b/ep.vtt"), ("out/.mp3", "out/.mp3.vtt")],
)
def test_the_webvtt_file_is_beside_the_output(key: str, beside: str) -> None:
    """It has the same name, with another suffix."""
    assert ObjectRef("acme", beside) == webvtt_ref(plan(key=key))


@pytest.mark.parametrize(
    ("key", "title", "name"),
    [("x/01 Intro.mp3", "", "01 Intro"), ("x/a.b.wav", "", "a.b"), ("x/plain", "", "plain"), ("x/a.mp3", "T", "T")],
)
def test_a_chapter_has_the_title_or_the_file_name_of_its_clip(key: str, title: str, name: str) -> None:
    """The file name has no folder and no extension."""
    assert [Chapter(name, 0, 10_000)] == chapters_of(plan(PlacedClip(key, 0, 0, 0.0, 10.0, title)))


def test_a_chapter_lasts_until_the_next_and_the_last_until_the_end() -> None:
    """Silences and gaps belong to the chapter before; a silence before the first clip has no chapter."""
    clips = (
        PlacedClip("", 0, 500, 0.0, 0.5),
        PlacedClip("a.mp3", 0, 0, 0.5, 2.0004),
        PlacedClip("", 0, 300, 2.5004, 0.3),
        PlacedClip("cut.mp3", 0, 0, 2.8004, 0.0),
        PlacedClip("b.mp3", 0, 0, 2.8006, 7.0),
    )

    assert [Chapter("a", 500, 2801), Chapter("b", 2801, 9801)] == chapters_of(plan(*clips, duration_s=9.8006))


@pytest.mark.parametrize("count", [0, 1, 2, 255, 256, 300, 600])
def test_the_tag_has_every_chapter_in_the_order_of_time(count: int) -> None:
    """A CTOC has at most 255 entries; for more chapters there are nested ones."""
    chapters = [Chapter(f"Chapter {i} é中🎧", i * 1001, (i + 1) * 1001) for i in range(count)]
    tag = parsed(id3_tag("The whole", chapters))
    marks = {mark.element_id: mark for mark in tag.getall("CHAP")}
    tables = {table.element_id: table for table in tag.getall("CTOC")}
    (top,) = [table for table in tables.values() if table.flags & CTOCFlags.TOP_LEVEL]
    named = [name for child in top.child_element_ids for name in chapters_below(child, tables)]

    assert chapters == [
        Chapter(str(m.sub_frames["TIT2"]), m.start_time, m.end_time) for m in (marks[name] for name in named)
    ]
    assert count == len(marks) == len(set(named))
    assert all(table.flags & CTOCFlags.ORDERED for table in tables.values())
    assert {0xFFFFFFFF} >= {offset for m in marks.values() for offset in (m.start_offset, m.end_offset)}
    assert "The whole" == str(tag["TIT2"]) == str(top.sub_frames["TIT2"])


def chapters_below(name: str, tables: dict[str, Any]) -> list[str]:
    """Return the chapter of this name, or those of the CTOC of this name."""
    return (
        [inner for child in tables[name].child_element_ids for inner in chapters_below(child, tables)]
        if (name in tables)
        else [name]
    )


def test_the_frames_are_in_the_order_of_time() -> None:
    """Some players ignore the CTOC."""
    tag = id3_tag("x", [Chapter("x" * (20 - i), i, i + 1) for i in range(20)])
    places = [tag.rindex(f"chp{i}\x00".encode()) for i in range(20)]

    assert sorted(places) == places


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=300),
    st.integers(0, 12),
)
@QUIET
def test_a_tag_is_large_enough_for_a_part_and_has_its_size(title: str, count: int) -> None:
    """More than the 100 KB that OSS requires of a part; its header has the size."""
    tag = id3_tag(title, [Chapter(title, i, i + 1) for i in range(count)])

    assert len(tag) >= MIN_PART_BYTES
    assert len(tag) == id3_size(tag) == id3_size(tag[:10]) == parsed(tag).size
    assert [title] * count == [str(mark.sub_frames["TIT2"]) for mark in parsed(tag).getall("CHAP")]


def test_the_same_chapters_make_the_same_tag() -> None:
    """A retry publishes the same bytes."""
    assert id3_tag("x", CHAPTERS) == id3_tag("x", CHAPTERS)


@pytest.mark.parametrize(
    ("head", "size"),
    [
        (b"ID3\x04\x00\x00\x00\x00\x00\x23TSSE", 45),  # as FFmpeg's MP3 muxer writes it
        (b"ID3\x03\x00\x00\x00\x00\x01\x00", 138),
        (b"ID3\x04\x00\x10\x00\x00\x00\x23", 55),  # with a footer
        (b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f", (1 << 28) + 9),
        (b"ID3\x04\x00\x00\x00\x00\x00\x00", 10),
        (b"\xff\xfb\x90\x64" + bytes(6), 0),
        (b"TAG" + bytes(7), 0),
        (b"ID3\x04\x00\x00\x00", 0),
        (b"", 0),
    ],
)
def test_the_size_of_a_tag_is_in_its_first_ten_bytes(head: bytes, size: int) -> None:
    """Seven bits a byte; header and footer are included."""
    assert size == id3_size(head)
