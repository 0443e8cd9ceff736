"""Playlists as manifests: `ffconcat version 1.0` and extended M3U, to the document that a manifest would have been.

What a playlist says is turned into the fields of manifest version 1, and read like them from then on. A directive that
we would not honour is an error with its line, never passed over. What playlists cannot say (the output, gaps, sinks)
stands in a comment, `# clipstitch: {…}`, a JSON mapping of manifest fields; without one, the output lies under
`merged/`: `manifests/shows/ep1.m3u` makes `merged/shows/ep1.mp3`.

Sources: FFmpeg documentation, "concat demuxer, Syntax" (2026); RFC 8216 section 4.1 on what M3U lines are.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from clipstitch.common.errors import InvalidManifest
from clipstitch.common.identifiers import ObjectRef
from clipstitch.manifest import documents
from clipstitch.manifest.field_reader import IssueList

_HONOURED = ("file", "inpoint", "outpoint", "duration")
_TRIM = {"inpoint": "start", "outpoint": "end", "duration": "duration"}
_M3U_KNOWN = ("#EXTM3U", "#EXTINF", "#EXTENC", "#PLAYLIST")
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")
_OURS = re.compile(r"#\s*clipstitch:\s*(.*)")


def read_ffconcat(text: str, ref: ObjectRef, manifest_prefix: str) -> dict[str, Any]:
    """Read an ffconcat script; `InvalidManifest` lists every line that cannot be honoured."""
    return _Playlist(ref, manifest_prefix).read(text, _ffconcat_line, "ffconcat version 1.0")


def read_m3u(text: str, ref: ObjectRef, manifest_prefix: str) -> dict[str, Any]:
    """Read an M3U playlist, extended or plain; `InvalidManifest` lists every line that cannot be honoured."""
    return _Playlist(ref, manifest_prefix).read(text, _m3u_line, "")


class _Playlist:
    """A playlist on its way to a document."""

    def __init__(self, ref: ObjectRef, manifest_prefix: str) -> None:
        self._ref = ref
        self._prefix = manifest_prefix
        self.document: dict[str, Any] = {}
        self.clips: list[dict[str, Any]] = []
        self.title = ""
        self.issues = IssueList()

    def read(self, text: str, take: Callable[["_Playlist", str, int], None], first: str) -> dict[str, Any]:
        """Read every line with `take`; the first must be `first`, where that is not empty."""
        lines = re.split(r"\r\n?|\n", text)
        if first and (lines[0].split() != first.split()):
            self.wrong(1, f"does not begin with `{first}`", f"Make `{first}` the first line.")
            raise InvalidManifest(self.issues.found)
        for number, line in enumerate(lines, start=1):
            if ours := _OURS.fullmatch(line.strip()):
                self._comment(ours[1], number)
            elif line.strip() and not (first and number == 1):
                take(self, line.strip(), number)
        if self.issues.found:
            raise InvalidManifest(self.issues.found)
        output = self.document.get("output", {})
        if isinstance(output, dict):
            output = {"key": default_key(self._ref.key, self._prefix), **output}
        return {"version": 1, **self.document, "output": output, "clips": self.clips}

    def wrong(self, line: int, message: str, remedy: str) -> None:
        """Note a line that cannot be honoured."""
        self.issues.add("", "PLAYLIST_LINE", f"line {line} {message}", remedy)

    def _comment(self, text: str, line: int) -> None:
        """Read manifest fields out of our own comment."""
        try:
            fields = documents.load(text.encode(), ".json")
        except InvalidManifest:
            fields = None
        if not isinstance(fields, dict) or "clips" in fields:
            self.wrong(line, "is no JSON mapping of manifest fields without `clips`", 'Write {"output": {"key": "…"}}.')
            return
        self.document |= fields

    def key(self, path: str) -> str:
        """Return the object key that a path means: from the bucket's root, or from here if it begins with a dot."""
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
    """Return the output key of a playlist that does not name one.

    >>> default_key("manifests/shows/ep1.m3u", "manifests/")
    'merged/shows/ep1.mp3'
    """
    return f"merged/{manifest_key.removeprefix(manifest_prefix).rpartition('.')[0]}.mp3"


def _ffconcat_line(playlist: _Playlist, line: str, number: int) -> None:
    """Take one directive of an ffconcat script."""
    if line.startswith("#"):
        return
    name, *values = _tokens(line)
    if name not in _HONOURED:
        remedy = f"Honoured are {', '.join(_HONOURED)}; take the line out."
        playlist.wrong(number, f"has the directive `{name}`, which is not honoured", remedy)
    elif len(values) != 1:
        playlist.wrong(number, f"gives `{name}` {len(values)} values", "Give one; quote a name that has blanks.")
    elif name == "file" and _URL.match(values[0]):
        playlist.wrong(number, "is a URL", "Name objects of the bucket by their keys.")
    elif name == "file":
        playlist.clips.append({"key": playlist.key(values[0].removeprefix("file:"))})
    elif not playlist.clips:
        playlist.wrong(number, f"has `{name}` before any `file`", "Put it behind the file it is about.")
    elif (ms := _milliseconds(values[0])) is None:
        playlist.wrong(number, f"has the time {values[0]!r}", "Write seconds, or HH:MM:SS.mmm.")
    else:
        playlist.clips[-1][_TRIM[name]] = ms


def _tokens(line: str) -> list[str]:
    """Split a line as FFmpeg does: blanks part, single quotes and backslashes protect."""
    words = re.findall(r"(?:[^\s'\\]|\\.?|'[^']*'?)+", line)
    return ["".join(_unquoted(word)) for word in words]


def _unquoted(word: str) -> Iterator[str]:
    """Yield the characters that a word means."""
    for quoted, escaped, plain in re.findall(r"'([^']*)'?|\\(.)|([^'\\]+|\\)", word):
        yield quoted or escaped or plain


def _milliseconds(text: str) -> int | None:
    """Read FFmpeg's times: seconds, or hours, minutes and seconds; to the millisecond."""
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]+)?(us|ms|s)?", text):
        scale = {"us": 0.001, "ms": 1.0}.get(text.lstrip("0123456789."), 1000.0)
        return round(float(text.rstrip("ums")) * scale)
    clock = re.fullmatch(r"(?:([0-9]{1,6}):)?([0-9]{1,2}):([0-9]{1,2}(?:\.[0-9]+)?)", text)
    if not clock:
        return None
    hours, minutes, seconds = clock.groups()
    return round((int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds)) * 1000)


def _m3u_line(playlist: _Playlist, line: str, number: int) -> None:
    """Take one line of an M3U playlist; `#EXTINF` names the chapter."""
    if not line.startswith("#"):
        if _URL.match(line):
            playlist.wrong(number, "is a URL", "Name objects of the bucket by their keys.")
            return
        titled = {"title": playlist.title} if playlist.title else {}
        playlist.clips.append({"key": playlist.key(line), **titled})
        playlist.title = ""
    elif line.startswith("#EXTINF"):
        playlist.title = line.partition(",")[2].strip()
    elif line.startswith("#EXT") and not line.startswith(_M3U_KNOWN):
        name = line.split(":", maxsplit=1)[0]
        playlist.wrong(number, f"has the directive `{name}`, which is not honoured", "Take the line out.")
