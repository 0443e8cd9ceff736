"""Parse playlists, `ffconcat version 1.0` and extended M3U, into the document of an equivalent manifest.

The document has the fields of manifest version 1 and is checked like any other. An unsupported directive is an issue
with its line number. What a playlist cannot express (the output, gaps, sinks) is in a comment, `# clipstitch: {…}`, a
JSON mapping of manifest fields. The default output is under `merged/`: `manifests/shows/ep1.m3u` makes
`merged/shows/ep1.mp3`.

Sources: FFmpeg documentation, "concat demuxer, Syntax" (2026); RFC 8216 section 4.1 on the lines of an M3U playlist.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from clipstitch.common.errors import InvalidManifest
from clipstitch.common.identifiers import ObjectRef
from clipstitch.manifest import documents
from clipstitch.manifest.field_reader import IssueList

_DIRECTIVES = ("file", "inpoint", "outpoint", "duration")
_TRIM = {"inpoint": "start", "outpoint": "end", "duration": "duration"}
_M3U_TAGS = ("#EXTM3U", "#EXTINF", "#EXTENC", "#PLAYLIST")
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")
_OWN_COMMENT = re.compile(r"#\s*clipstitch:\s*(.*)")


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
        self.title = ""
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

    def add_clip(self, name: str, line: int, *, scheme: str = "", title: str = "") -> None:
        """Add the clip that a line names, or an issue if it is a URL."""
        if _URL.match(name):
            self.add(line, "is a URL", "Name objects of the bucket by their keys.")
        else:
            self.clips.append({"key": self._key(name.removeprefix(scheme)), **({"title": title} if title else {})})

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
        playlist.add_clip(values[0], number, scheme="file:")
    elif not playlist.clips:
        playlist.add(number, f"has `{name}` before any `file`", "Move it below the file that it applies to.")
    elif (ms := _milliseconds(values[0])) is None:
        playlist.add(number, f"has the time {values[0]!r}", "Write seconds, or HH:MM:SS.mmm.")
    else:
        playlist.clips[-1][_TRIM[name]] = ms


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
    """Read one line of an M3U playlist; `#EXTINF` has the title of the next clip."""
    if not line.startswith("#"):
        playlist.add_clip(line, number, title=playlist.title)
        playlist.title = ""
    elif line.startswith("#EXTINF"):
        playlist.title = line.partition(",")[2].strip()
    elif line.startswith("#EXT") and not line.startswith(_M3U_TAGS):
        name = line.split(":", maxsplit=1)[0]
        playlist.add(number, f"has the unsupported directive `{name}`", "Remove the line.")
