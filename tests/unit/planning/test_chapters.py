"""Chapters: WebVTT to the letter, and the ID3 tag as mutagen, which did not lay it out, reads it."""

from io import BytesIO

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


def parsed(tag: bytes) -> ID3:
    """Read a tag that stands in front of some audio."""
    return ID3(BytesIO(tag + b"\xff\xfb\x90\x00" * 100))


def test_webvtt_to_the_letter() -> None:
    """W3C WebVTT: a header, then cues with a number, times and a text, parted by empty lines."""
    assert (
        "WEBVTT\n"
        "\n1\n00:00:00.000 --> 00:00:01.500\nOne\n"
        "\n2\n00:00:01.500 --> 01:02:03.004\nDeux &amp; &lt;trois&gt;\n"
        "\n3\n01:02:03.004 --> 100:00:00.000\n–\n"
    ) == webvtt(CHAPTERS)


def test_no_chapters_are_a_header() -> None:
    """Still a WebVTT file."""
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
    """Line ends and arrows mean something in WebVTT."""
    assert f"WEBVTT\n\n1\n00:00:00.000 --> 00:00:00.001\n{text}\n" == webvtt([Chapter(title, 0, 1)])


@pytest.mark.parametrize(
    ("key", "beside"),
    [("out/ep.1.mp3", "out/ep.1.vtt"), ("ep.mp3", "ep.vtt"), ("a.b/ep", "a.b/ep.vtt"), ("out/.mp3", "out/.mp3.vtt")],
)
def test_the_chapters_lie_beside_the_output(key: str, beside: str) -> None:
    """By the same name."""
    assert ObjectRef("acme", beside) == webvtt_ref(plan(key=key))


@pytest.mark.parametrize(
    ("key", "title", "name"),
    [("x/01 Intro.mp3", "", "01 Intro"), ("x/a.b.wav", "", "a.b"), ("x/plain", "", "plain"), ("x/a.mp3", "T", "T")],
)
def test_a_chapter_is_called_by_its_title_or_its_file(key: str, title: str, name: str) -> None:
    """Without folder and extension."""
    assert [Chapter(name, 0, 10_000)] == chapters_of(plan(PlacedClip(key, 0, 0, 0.0, 10.0, title)))


def test_a_chapter_lasts_until_the_next_and_the_last_until_the_end() -> None:
    """Silences and gaps belong to the one before; what comes before the first clip has no chapter."""
    clips = (
        PlacedClip("", 0, 500, 0.0, 0.5),
        PlacedClip("a.mp3", 0, 0, 0.5, 2.0004),
        PlacedClip("", 0, 300, 2.5004, 0.3),
        PlacedClip("cut.mp3", 0, 0, 2.8004, 0.0),
        PlacedClip("b.mp3", 0, 0, 2.8006, 7.0),
    )

    assert [Chapter("a", 500, 2801), Chapter("b", 2801, 9801)] == chapters_of(plan(*clips, duration_s=9.8006))


@pytest.mark.parametrize("count", [0, 1, 2, 255, 256, 300, 600])
def test_the_tag_holds_every_chapter_in_the_order_of_time(count: int) -> None:
    """However many: a table of contents names at most 255, so there are tables within the table."""
    chapters = [Chapter(f"Chapter {i} é中🎧", i * 1001, (i + 1) * 1001) for i in range(count)]
    tag = parsed(id3_tag("The whole", chapters))
    marks = {mark.element_id: mark for mark in tag.getall("CHAP")}
    tables = {table.element_id: table for table in tag.getall("CTOC")}
    (top,) = [table for table in tables.values() if table.flags & CTOCFlags.TOP_LEVEL]
    named = [name for child in top.child_element_ids for name in named_by(child, tables)]

    assert chapters == [Chapter(str(m.sub_frames["TIT2"]), m.start_time, m.end_time) for m in map(marks.get, named)]
    assert count == len(marks) == len(set(named))
    assert all(table.flags & CTOCFlags.ORDERED for table in tables.values())
    assert {0xFFFFFFFF} >= {offset for m in marks.values() for offset in (m.start_offset, m.end_offset)}
    assert "The whole" == str(tag["TIT2"]) == str(top.sub_frames["TIT2"])


def named_by(name: str, tables: dict) -> list[str]:
    """Return the chapters that a name stands for: itself, or those of a table."""
    return (
        [inner for child in tables[name].child_element_ids for inner in named_by(child, tables)]
        if (name in tables)
        else [name]
    )


def test_chapters_stand_in_the_file_in_the_order_of_time() -> None:
    """Not every player reads the table."""
    tag = id3_tag("x", [Chapter("x" * (20 - i), i, i + 1) for i in range(20)])
    places = [tag.rindex(f"chp{i}\x00".encode()) for i in range(20)]

    assert sorted(places) == places


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=300),
    st.integers(0, 12),
)
@QUIET
def test_a_tag_is_a_part_of_its_own_and_knows_its_size(title: str, count: int) -> None:
    """More than the 100 KB that OSS asks of a part; its header says where the audio begins."""
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
    """Seven bits a byte; header and footer count in."""
    assert size == id3_size(head)
