"""Playlists as manifests: supported lines are parsed, and every other line is an issue."""

import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipstitch.common.audio_formats import FORMATS
from clipstitch.common.errors import InvalidManifest
from clipstitch.common.identifiers import ObjectRef
from clipstitch.manifest.model import Clip, Entry, Limits, Manifest, Output
from clipstitch.manifest.parse import parse
from clipstitch.manifest.playlists import default_key, read_ffconcat, read_m3u

PlaylistReader = Callable[[str, ObjectRef, str], dict[str, object]]
QUIET = settings(database=None, deadline=None, max_examples=300)
FIRST = "ffconcat version 1.0\n"


def read(text: str, suffix: str = ".ffconcat", folder: str = "manifests/shows/") -> Manifest:
    """Parse a playlist that was uploaded as `ep1` to a folder."""
    return parse(text.encode(), ObjectRef("acme", f"{folder}ep1{suffix}"), Limits(sinks=("events",)))


def clips(*lines: str) -> tuple[Entry, ...]:
    """Return the clips of an ffconcat script with these lines."""
    return read(FIRST + "\n".join(lines)).clips


def m3u(*lines: str) -> tuple[Entry, ...]:
    """Return the clips of an extended M3U with these lines."""
    return read("#EXTM3U\n" + "\n".join(lines), ".m3u8").clips


def messages(text: str, suffix: str = ".ffconcat") -> list[str]:
    """Return the message of each issue; code and path are the same for all."""
    with pytest.raises(InvalidManifest) as caught:
        read(text, suffix)
    assert {("PLAYLIST_LINE", "")} == {(issue.code, issue.path) for issue in caught.value.issues}
    assert all(issue.remedy for issue in caught.value.issues)
    return [issue.message for issue in caught.value.issues]


def test_an_ffconcat_script_becomes_a_manifest() -> None:
    """The output is an MP3 under `merged/`; other fields have their defaults."""
    got = read(FIRST + "\n# a comment\nfile a.mp3\nfile 'b c.wav'\ninpoint 1.5\noutpoint 00:00:04\nfile d.aac\n")

    assert Output(ObjectRef("acme", "merged/shows/ep1.mp3"), FORMATS["mp3"]) == got.output
    assert (Clip("a.mp3"), Clip("b c.wav", 1500, 2500), Clip("d.aac")) == got.clips
    assert (0, None, {}, 0, False) == got[2:7]


# FFmpeg documentation, "Quoting and escaping", and what av_get_token does.
@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("a.mp3", "a.mp3"),
        ("'a b.mp3'", "a b.mp3"),
        (r"a\ b.mp3", "a b.mp3"),
        (r"'Crime d'\''Amour'.mp3", "Crime d'Amour.mp3"),
        (r"Crime\ d\'Amour.mp3", "Crime d'Amour.mp3"),
        (r"'a\b'", r"a\b"),
        (r"a\\b", r"a\b"),
        ("a'b c'd", "ab cd"),
        ("'a b", "a b"),
        ("a\\", "a\\"),
        ("'#1.mp3'", "#1.mp3"),
        ("a#1.mp3", "a#1.mp3"),
        ('"a"', '"a"'),
        ("中文\u2028🎧\x85.mp3", "中文\u2028🎧\x85.mp3"),
        ("file:a.mp3", "a.mp3"),
    ],
)
def test_names_are_quoted_as_in_ffmpeg(written: str, key: str) -> None:
    """Single quotes protect all but themselves, a backslash the next character; double quotes are ordinary."""
    written = written.replace("\u2028", "'\u2028'").replace("\x85", "'\x85'")

    assert (Clip(key),) == clips(f"file {written}")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1, max_size=20))
@QUIET
def test_any_name_can_be_quoted(name: str) -> None:
    """As FFmpeg's documentation advises: in single quotes, with those of the name outside of them, escaped."""
    key = f"c/{name}"
    quoted = "'" + key.replace("'", "'\\''") + "'"

    assert (Clip(key),) == clips(f"file {quoted}")


@pytest.mark.parametrize(
    ("written", "ms"),
    [
        ("0", 0),
        ("1", 1000),
        ("1.5", 1500),
        ("0.0004", 0),
        ("0.0006", 1),
        ("90", 90_000),
        ("1500ms", 1500),
        ("2s", 2000),
        ("2500000us", 2500),
        ("01:02", 62_000),
        ("1:02.5", 62_500),
        ("01:02:03", 3_723_000),
        ("100:00:00.25", 360_000_250),
    ],
)
def test_times_have_the_forms_of_ffmpeg(written: str, ms: int) -> None:
    """To the millisecond, which is the unit of OSS."""
    assert (Clip("a", ms),) == clips("file a", f"inpoint {written}")


@pytest.mark.parametrize("written", ["", "-1", "1e3", "1.", ".5", "1:2:3:4", "1h", "NaN", "inf", "1,5", "9" * 400])
def test_other_strings_are_not_times(written: str) -> None:
    """Each is an issue with its line number."""
    (message,) = messages(f"{FIRST}file a\ninpoint {written}")

    assert message.startswith("line 3 ")


def test_trims_apply_to_the_file_before_them() -> None:
    """An outpoint is a time of the file, not a length."""
    assert (Clip("a", 1000), Clip("b", 0, 3000), Clip("c", 2000, 500)) == clips(
        "file a", "inpoint 1", "file b", "outpoint 3", "file c", "outpoint 2.5", "inpoint 2"
    )


@given(st.lists(st.sampled_from(["inpoint 1", "outpoint 3", "duration 0.5", "duration 90"]), unique=True))
@QUIET
def test_a_duration_cuts_nothing(lines: list[str]) -> None:
    """FFmpeg takes it as a statement of the length, in any place and beside any other time."""
    trims = [line for line in lines if not line.startswith("duration")]

    assert clips("file a", *trims, "file b") == clips("file a", *lines, "file b")


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("a.mp3", "a.mp3"),
        ("./a.mp3", "manifests/shows/a.mp3"),
        ("../a.mp3", "manifests/a.mp3"),
        ("../../clips/a.mp3", "clips/a.mp3"),
        ("./x/../a.mp3", "manifests/shows/a.mp3"),
        ("../../../../a.mp3", "a.mp3"),
        ("x/../a.mp3", "x/../a.mp3"),
        (".a.mp3", ".a.mp3"),
    ],
)
def test_names_are_keys_unless_they_begin_with_a_dot_and_a_slash(written: str, key: str) -> None:
    """Those are relative to the folder of the playlist, and never above the root of the bucket."""
    assert (Clip(key),) == clips(f"file {written}") == m3u(written)


def test_a_comment_may_have_manifest_fields() -> None:
    """Any field but `clips`, in one comment or several."""
    own = '# clipstitch: {"output": {"key": "x/a.flac", "channels": 1}, "gap": "300ms", "notify": ["events"]}'
    got = read(f'{FIRST}{own}\nfile a\n#clipstitch:{{"chapters": true, "labels": {{"a": "b"}}}}\nfile b')

    assert Output(ObjectRef("acme", "x/a.flac"), FORMATS["flac"], channels=1) == got.output
    assert (300, ("events",), True, {"a": "b"}) == (got.gap_ms, got.notify, got.chapters, got.labels)
    assert (Clip("a"), Clip("b")) == got.clips


@pytest.mark.parametrize("text", ["", "x", "[]", "null", '{"clips": []}', '{"gap": 1, "gap": 2}', '{"gap": NaN}', "{"])
def test_an_own_comment_that_is_not_valid_is_an_issue(text: str) -> None:
    """It is meant for clipstitch, so it is not ignored."""
    (message,) = messages(f"{FIRST}file a\n# clipstitch: {text}\n")

    assert message.startswith("line 3 is not a JSON mapping")


@pytest.mark.parametrize(
    "line",
    [
        "file_packet_metadata title=x",
        "file_packet_meta title x",
        "option framerate 25",
        "stream",
        "exact_stream_id 0x1",
        "stream_meta language ger",
        "stream_codec mp3",
        "stream_extradata 0011",
        "chapter 1 0 10",
        "FILE a.mp3",
        "ffconcat version 1.0",
        "\\",
        "''",
        "file",
        "file a b",
        "inpoint 1 2",
    ],
)
def test_unsupported_directives_are_issues_with_their_line(line: str) -> None:
    """A directive that changes the audio is never ignored."""
    (message,) = messages(f"{FIRST}file a.mp3\n\n{line}\n")

    assert message.startswith("line 4 ")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_counted_with_any_line_end(end: str) -> None:
    """Three kinds of editors write three; all issues are reported in order."""
    text = end.join(["ffconcat version 1.0", "file a\x0bb", "stream", "file a", "nothing", "inpoint x"])

    assert ["2", "3", "5", "6"] == [message.split()[1] for message in messages(text)]


def test_titles_name_the_chapters() -> None:
    """A title applies to the next file only; without one, the file name is used."""
    assert (
        Clip("a.mp3", title="Artist - One, two"),
        Clip("b.mp3"),
        Clip("c.mp3", title="Three"),
        Clip("d.mp3"),
    ) == m3u(
        "#PLAYLIST:Show",
        "#EXTENC:UTF-8",
        "#EXTINF:123,Artist - One, two",
        "a.mp3",
        "",
        "#EXTINF:-1",
        "b.mp3",
        '#EXTINF:1 tvg-id="x", Three ',
        "# a comment",
        "c.mp3",
        "  d.mp3  ",
    )


def test_an_m3u_may_be_plain() -> None:
    """One file name per line; spaces need no quotes."""
    assert (Clip("a b.mp3"), Clip("c's.mp3")) == read("a b.mp3\nc's.mp3", ".m3u").clips


def test_an_m3u_may_begin_with_a_byte_order_mark() -> None:
    """Editors on Windows write one."""
    assert (Clip("a"),) == read("\ufeff#EXTM3U\na", ".M3U").clips
    assert (Clip("a"),) == read("\ufeff" + FIRST + "file a").clips


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ('-1 tvg-name="Rock, Pop" group-title="A,B",The Title', "The Title"),
        ("-1 tvg-id=x tvg-shift=-2,One, two", "One, two"),
        ("-1 name='A, B' ,C", "C"),
        ('12.5,7" Single, "Remix"', '7" Single, "Remix"'),
        ("12, a=b, c", "a=b, c"),
        ('-1 tvg-name="never closed, The Title', "The Title"),
        ("-1,", ""),
        ("-1", ""),
        (",Sacred & Wild", "Sacred & Wild"),
    ],
)
def test_a_title_follows_the_attributes(written: str, title: str) -> None:
    """Their values may have commas in quotes; the title may have commas and quotes of its own."""
    assert (Clip("a", title=title),) == m3u(f"#EXTINF:{written}", "a")


NAMES = st.from_regex(r"[a-z-]{1,8}", fullmatch=True)
QUOTED = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters='"'), max_size=8)
TITLES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), max_size=20)


@given(st.lists(st.tuples(NAMES, QUOTED), max_size=4), TITLES)
@QUIET
def test_any_title_follows_any_attributes(attributes: list[tuple[str, str]], title: str) -> None:
    """Whatever the quoted values are."""
    written = "".join(f' {name}="{value}"' for name, value in attributes)

    assert [title.strip()] == [
        clip.title for clip in m3u(f"#EXTINF:-1{written},{title}", "a") if isinstance(clip, Clip)
    ]


@pytest.mark.parametrize(
    "line",
    [
        *("#EXTALB:album", "#EXTART:artist", "#EXTGENRE:rock", "#EXTIMG:cover", "#EXTGRP:rock", "#PLAYLIST:Show"),
        *("#EXTENC:UTF-8", "#EXTBYT:1234", "#EXTBIN:", "#EXTM3A", "#EXTREM:x", "#KODIPROP:a=b", "#EXTM3U x-tvg-url=u"),
        *("#EXTVLCOPT:network-caching=1000", "#EXTVLCOPT:http-user-agent=x", "#EXTUNKNOWN", "#"),
    ],
)
def test_directives_that_describe_a_clip_are_passed_over(line: str) -> None:
    """Players ignore those that they do not know; the title is kept."""
    assert (Clip("a", title="T"), Clip("b")) == m3u("#EXTINF:1,T", line, "a", line, "b")


def test_vlc_trims_the_next_clip() -> None:
    """The times are seconds of the file, or the time to run."""
    assert (Clip("a", 1500, 1500), Clip("b"), Clip("c", 0, 2000), Clip("d", 3000)) == m3u(
        *("#EXTVLCOPT:start-time=1.5", "#EXTVLCOPT:stop-time=3", "a", "b", "#EXTVLCOPT:run-time=2", "c"),
        *("#EXTINF:9", "#EXTVLCOPT: start-time=3", "d"),
    )


def test_a_time_of_vlc_that_is_none_is_an_issue() -> None:
    """It would change the audio."""
    assert ["line 2 has the time 'soon'"] == messages("#EXTM3U\n#EXTVLCOPT:start-time=soon\na", ".m3u")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_an_hls_playlist_is_one_issue(end: str) -> None:
    """Its lines are parts of one stream, and most of them URLs."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXTINF:9.0,", "https://example.com/a.ts", "a.ts", "#EXT-X-ENDLIST", ""]

    assert ["line 2 has `#EXT-X-VERSION`: it is an HLS playlist, of one stream in parts"] == messages(
        end.join(lines), ".m3u8"
    )


@pytest.mark.parametrize("line", ["http://example.com/a.mp3", "HTTPS://example.com/a.mp3", "file:///a.mp3"])
def test_urls_are_issues_with_their_line(line: str) -> None:
    """Clips are objects of the bucket."""
    assert ["line 3 is a URL"] == messages(f"#EXTM3U\na.mp3\n{line}\nb.mp3\n", ".m3u")


@pytest.mark.parametrize(
    ("written", "key"),
    [
        (r"clips\a b.mp3", "clips/a b.mp3"),
        (r".\a.mp3", "manifests/shows/a.mp3"),
        (r"..\..\clips\a.mp3", "clips/a.mp3"),
        (r"\clips\a.mp3", "clips/a.mp3"),
        (r"\\nas\clips\a.mp3", "nas/clips/a.mp3"),
        ("/clips/a.mp3", "clips/a.mp3"),
        (r"C:\Music\a.mp3", "C:/Music/a.mp3"),
    ],
)
def test_a_path_of_an_m3u_is_a_key(written: str, key: str) -> None:
    """Backslashes are those of players on Windows; an absolute path begins at the root of the bucket."""
    assert (Clip(key),) == m3u(written)


def keys_of(body: bytes, suffix: str) -> list[str]:
    """Return the keys of the clips of a playlist."""
    found = parse(body, ObjectRef("acme", f"manifests/ep1{suffix}"), Limits()).clips
    return [clip.key for clip in found if isinstance(clip, Clip)]


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(
    ("encoding", "key"),
    [
        ("utf-8", "Müsik.mp3"),
        ("latin-1", "Müsik.mp3"),
        ("windows-1252", "„Müsik“ – 5 €.mp3"),
        ("windows-1251", "Музыка.mp3"),
        ("shift_jis", "音楽.mp3"),
        ("gbk", "音乐.mp3"),
        ("utf-16", "音乐.mp3"),
    ],
)
def test_an_m3u_may_have_an_older_encoding(encoding: str, key: str, named: bool) -> None:
    """UTF-8, the one that `#EXTENC` names, or that of Windows in the West."""
    if not named and encoding in ("windows-1251", "shift_jis", "gbk"):
        encoding, key = "windows-1252", "Ärger.mp3"
    header = f"#EXTENC: {encoding}" if named else "#EXTM3U"

    assert [key] == keys_of(f"{header}\r\n{key}\r\n".encode(encoding), ".m3u")


def test_an_m3u8_is_in_unicode() -> None:
    """Its suffix says so; UTF-16 has a byte order mark."""
    assert ["Müsik.mp3"] == keys_of("#EXTM3U\nMüsik.mp3".encode("utf-16"), ".m3u8")
    with pytest.raises(InvalidManifest, match="is not UTF-8: byte 1"):
        keys_of("Müsik.mp3".encode("latin-1"), ".m3u8")


@given(st.binary(max_size=200), st.sampled_from([b"", b"#EXTENC:utf-7\n", b"#EXTENC: punycode\n", b"#EXTENC:gbk\n"]))
@QUIET
def test_any_bytes_are_a_playlist_or_have_issues(noise: bytes, header: bytes) -> None:
    """No codec raises another error."""
    try:
        found: object = keys_of(header + noise, ".m3u")
    except InvalidManifest as bad:
        found = bad.issues

    assert found


@pytest.mark.parametrize(
    ("manifest", "key"),
    [
        ("manifests/ep1.m3u", "merged/ep1.mp3"),
        ("manifests/a/b.c/ep1.ffconcat", "merged/a/b.c/ep1.mp3"),
        ("manifests/ep.1.m3u8", "merged/ep.1.mp3"),
        ("elsewhere/ep1.m3u", "merged/elsewhere/ep1.mp3"),
    ],
)
def test_a_playlist_without_an_output_has_a_default(manifest: str, key: str) -> None:
    """Under `merged/`, with the name of the playlist."""
    assert key == default_key(manifest, "manifests/")


WORDS = st.sampled_from(
    [
        *(
            "file ",
            "inpoint ",
            "outpoint ",
            "duration ",
            "stream",
            "\n",
            "\n",
            "'",
            "\\",
            "#",
            "1",
            "9" * 400,
            ":",
            ",",
        ),
        *(
            "# clipstitch: ",
            "{",
            "}",
            '"gap": ',
            '"clips"',
            '{"output": {"key": "\\ud83d"}}',
            "a.mp3",
            "../",
            "#EXTINF:",
        ),
    ]
)
NOISE = st.lists(WORDS | st.text(max_size=3)).map("".join)


@given(NOISE, st.sampled_from([".ffconcat", ".m3u", ".m3u8"]))
@settings(QUIET, max_examples=600)
def test_any_playlist_is_a_manifest_or_has_issues(noise: str, suffix: str) -> None:
    """The parser raises no other error."""
    body = (FIRST + noise).encode("utf-8", "replace")
    try:
        found = parse(body, ObjectRef("acme", f"manifests/a{suffix}"), Limits()).clips
    except InvalidManifest as bad:
        found = bad.issues  # type: ignore[assignment]

    assert found


@pytest.mark.parametrize("reader", [read_ffconcat, read_m3u])
@given(noise=NOISE)
@QUIET
def test_every_issue_has_an_existing_line(reader: PlaylistReader, noise: str) -> None:
    """Counted from one, in order."""
    lines = []
    try:
        reader(FIRST + noise, ObjectRef("acme", "manifests/a.m3u"), "manifests/")
    except InvalidManifest as bad:
        lines = [int(issue.message.split()[1]) for issue in bad.issues]
    count = len((FIRST + noise).replace("\r\n", "\n").replace("\r", "\n").split("\n"))

    assert sorted(lines) == lines
    assert all(1 <= line <= count for line in lines)


def test_a_path_of_a_hundred_thousand_folders_takes_linear_time() -> None:
    """Each part is processed once."""
    deadline_start = time.process_time()
    playlist = b"ffconcat version 1.0\nfile ./" + b"a/" * 120_000 + b"../" * 5_000 + b"x\n"

    with pytest.raises(InvalidManifest, match="bytes"):
        parse(playlist, ObjectRef("acme", "manifests/m.ffconcat"), Limits())
    assert time.process_time() - deadline_start < 2
