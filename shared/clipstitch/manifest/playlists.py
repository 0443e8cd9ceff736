"""Parse playlists, `ffconcat version 1.0` and extended M3U, into the document of an equivalent manifest.

The document has the fields of manifest version 1 and is checked like any other. A directive that describes its clips is
passed over, as players do; one that would change the audio, and is not supported, is an issue with its line number.
What a playlist cannot express (the output, gaps, sinks) is in a comment, `# clipstitch: {…}`, a JSON mapping of
manifest fields. The default output is under `merged/`: `manifests/shows/ep1.m3u` makes `merged/shows/ep1.mp3`.

Sources: FFmpeg documentation, "concat demuxer, Syntax" (2026), and what FFmpeg 7.0.2 does; RFC 8216 section 4.1 on the
lines of an M3U playlist; "M3U", Wikipedia, on the directives of players; VLC, input options.
"""

import codecs
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from clipstitch.common.errors import InvalidManifest, Issue
from clipstitch.common.identifiers import ObjectRef
from clipstitch.manifest import documents
from clipstitch.manifest.field_reader import IssueList

_DIRECTIVES = ("file", "inpoint", "outpoint", "duration")
_TRIM = {"inpoint": "start", "outpoint": "end"}
# The length, attributes whose values may have commas in quotes, and the title.
_EXTINF = re.compile(r"""#EXTINF:[^,"\s]*(?:\s+[\w-]+=(?:"[^"]*"|'[^']*'|[^\s,"']*))*\s*,(.*)""")
_VLC_TRIM = re.compile(r"#EXTVLCOPT:\s*(start|stop|run)-time=(.*)")
_VLC_FIELDS = {"start": "start", "stop": "end", "run": "duration"}
_ENCODING = re.compile(rb"#EXTENC:\s*([\w-]{1,20})")
# Those that players on Windows and older ones write; Python's other codecs are not for text, or are slow.
_CODECS = re.compile(r"iso8859-\d+|cp125\d|cp866|cp93[26]|cp949|cp950|koi8-[ru]|mac-\w+|shift_jis|gb\w+|big5|euc_\w+")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")
_OWN_COMMENT = re.compile(r"#\s*clipstitch:\s*(.*)")


def decode(body: bytes, suffix: str) -> str:
    """Return the text of a playlist: UTF-8, UTF-16 with a byte order mark or, in an `.m3u`, an older encoding.

    That is the one that `#EXTENC` names or, as players assume, Windows-1252. Raises `InvalidManifest` like
    `documents.decode_text`.
    """
    if body.startswith(_UTF16):
        with suppress(UnicodeDecodeError):
            return documents.decode_text(body.decode("utf-16").encode())
    try:
        return documents.decode_text(body)
    except InvalidManifest as invalid:
        if suffix != ".m3u" or invalid.issues[0].code != "MANIFEST_ENCODING":
            raise
        return body.decode(_older_encoding(body), "replace")


def _older_encoding(body: bytes) -> str:
    """Return the encoding that an M3U playlist names, if it is one of text."""
    if named := _ENCODING.search(body):
        with suppress(LookupError):
            name = codecs.lookup(named[1].decode()).name
            if _CODECS.fullmatch(name):
                return name
    return "cp1252"


def read_ffconcat(text: str, ref: ObjectRef, manifest_prefix: str) -> dict[str, Any]:
    """Return the document of an ffconcat script. Raises `InvalidManifest` with every unsupported line."""
    return _Playlist(ref, manifest_prefix).read(text, _ffconcat_line, "ffconcat version 1.0")


def read_m3u(text: str, ref: ObjectRef, manifest_prefix: str) -> dict[str, Any]:
    """Return the document of an M3U playlist. Raises `InvalidManifest` with every unsupported line."""
    return _Playlist(ref, manifest_prefix).read(text, _m3u_line, "")


class _Playlist:
    """The document and the issues of the lines read so far."""

    def __init__(self, ref: ObjectRef, manifest_prefix: str) -> None:
        self._ref = ref
        self._prefix = manifest_prefix
        self.document: dict[str, Any] = {}
        self.clips: list[dict[str, Any]] = []
        self.next_clip: dict[str, Any] = {}
        self.issues = IssueList()

    def read(self, text: str, read_line: Callable[["_Playlist", str, int], None], header: str) -> dict[str, Any]:
        """Return the document. The first line must be `header`, unless that is empty."""
        lines = re.split(r"\r\n?|\n", text)
        if header and lines[0].split() != header.split():
            self.add(1, f"does not begin with `{header}`", f"Make `{header}` the first line.")
            raise InvalidManifest(self.issues.found)
        for number, line in enumerate(lines, start=1):
            if own := _OWN_COMMENT.fullmatch(line.strip()):
                self._own_comment(own[1], number)
            elif line.strip() and not (header and number == 1):
                read_line(self, line.strip(), number)
        if self.issues.found:
            raise InvalidManifest(self.issues.found)
        output = self.document.get("output", {})
        if isinstance(output, dict):
            output = {"key": default_key(self._ref.key, self._prefix), **output}
        return {"version": 1, **self.document, "output": output, "clips": self.clips}

    def add(self, line: int, message: str, remedy: str) -> None:
        """Add an issue about a line."""
        self.issues.add("", "PLAYLIST_LINE", f"line {line} {message}", remedy)

    def add_clip(self, name: str, line: int) -> None:
        """Add the clip that a line names, with what earlier lines say of it, or an issue if it is a URL."""
        if _URL.match(name):
            self.add(line, "is a URL", "Name objects of the bucket by their keys.")
        else:
            self.clips.append({"key": self._key(name), **self.next_clip})
        self.next_clip = {}

    def _own_comment(self, text: str, line: int) -> None:
        try:
            fields = documents.load(text.encode(), ".json")
        except InvalidManifest:
            fields = None
        if not isinstance(fields, dict) or "clips" in fields:
            message = "is not a JSON mapping of manifest fields without `clips`"
            self.add(line, message, 'Write {"output": {"key": "…"}}.')
        else:
            self.document |= fields

    def trim(self, clip: dict[str, Any], field: str, time: str, line: int) -> None:
        """Trim a clip, or add an issue if that is not a time."""
        if (ms := _milliseconds(time)) is None:
            self.add(line, f"has the time {time!r}", "Write seconds, or HH:MM:SS.mmm.")
        else:
            clip[field] = ms

    def _key(self, path: str) -> str:
        """Return the key of a path, relative to the playlist if it begins with ./ or ../, else to the bucket's root."""
        if not path.startswith(("./", "../")):
            return path
        folders = self._ref.key.split("/")[:-1]
        for part in path.split("/"):
            if part == "..":
                del folders[-1:]
            elif part != ".":
                folders.append(part)
        return "/".join(folders)


def default_key(manifest_key: str, manifest_prefix: str) -> str:
    """Return the output key of a playlist without an output.

    >>> default_key("manifests/shows/ep1.m3u", "manifests/")
    'merged/shows/ep1.mp3'
    """
    return f"merged/{manifest_key.removeprefix(manifest_prefix).rpartition('.')[0]}.mp3"


def _ffconcat_line(playlist: _Playlist, line: str, number: int) -> None:
    if line.startswith("#"):
        return
    name, *values = _tokens(line)
    if name not in _DIRECTIVES:
        remedy = f"Supported are {', '.join(_DIRECTIVES)}; remove the line."
        playlist.add(number, f"has the unsupported directive `{name}`", remedy)
    elif len(values) != 1:
        playlist.add(number, f"gives `{name}` {len(values)} values", "Give one; quote a name that has spaces.")
    elif name == "file":
        playlist.add_clip(values[0].removeprefix("file:"), number)
    elif not playlist.clips:
        playlist.add(number, f"has `{name}` before any `file`", "Move it below the file that it applies to.")
    else:
        # A `duration` states how long a file is; FFmpeg does not cut there, and neither does it believe it.
        trimmed = playlist.clips[-1] if name in _TRIM else {}
        playlist.trim(trimmed, _TRIM.get(name, name), values[0], number)


def _tokens(line: str) -> list[str]:
    """Split a line as FFmpeg does: spaces separate, single quotes and backslashes protect."""
    words = re.findall(r"(?:[^\s'\\]|\\.?|'[^']*'?)+", line)
    return ["".join(_unquoted(word)) for word in words]


def _unquoted(word: str) -> Iterator[str]:
    for quoted, escaped, plain in re.findall(r"'([^']*)'?|\\(.)|([^'\\]+|\\)", word):
        yield quoted or escaped or plain


def _milliseconds(text: str) -> int | None:
    """Parse FFmpeg's times: seconds, or hours, minutes and seconds; rounded to milliseconds."""
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]+)?(us|ms|s)?", text):
        scale = {"us": 0.001, "ms": 1.0}.get(text.lstrip("0123456789."), 1000.0)
        return round(float(text.rstrip("ums")) * scale)
    clock = re.fullmatch(r"(?:([0-9]{1,6}):)?([0-9]{1,2}):([0-9]{1,2}(?:\.[0-9]+)?)", text)
    if not clock:
        return None
    hours, minutes, seconds = clock.groups()
    return round((int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds)) * 1000)


def _m3u_line(playlist: _Playlist, line: str, number: int) -> None:
    """Read one line of an M3U playlist; `#EXTINF` has the title of the next clip, and `#EXTVLCOPT` may trim it.

    Raises `InvalidManifest` with one issue for an HLS playlist, of which hardly a line would be supported.
    """
    if not line.startswith("#"):
        playlist.add_clip(line.replace("\\", "/").lstrip("/"), number)
    elif line.startswith("#EXT-X-"):
        message = f"line {number} has `{line.split(':', maxsplit=1)[0]}`: it is an HLS playlist, of one stream in parts"
        remedy = "Write a playlist of whole audio files; HLS lists the parts of one."
        raise InvalidManifest([Issue("", "PLAYLIST_LINE", message, remedy)])
    elif line.startswith("#EXTINF"):
        found = _EXTINF.fullmatch(line)
        if title := (found[1] if found else line.partition(",")[2]).strip():
            playlist.next_clip["title"] = title
    elif trim := _VLC_TRIM.fullmatch(line):
        playlist.trim(playlist.next_clip, _VLC_FIELDS[trim[1]], trim[2].strip(), number)
