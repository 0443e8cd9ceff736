"""Says in plain words why a file is not audio that FFmpeg can read. Pure, but for the beginning of the file."""

import re
from pathlib import Path

from localyun.imm.ffmpeg import FfmpegResult

HEAD_BYTES = 4096
# What a file begins with, and what that makes it.
SIGNATURES = (
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x89PNG\r\n", "a PNG image"),
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"MThd", "a MIDI file, which has notes and no sound"),
    (b"SQLite format 3", "an SQLite database"),
)
TEXTS = (
    (r"#EXTM3U.*#EXT-X-", "an HLS playlist, which names its audio files; use those"),
    (r"#EXTM3U|\[playlist\]", "a playlist, which names its audio files; use those"),
    (r"ffconcat version", "an ffconcat script, which names its audio files; use those"),
    (r"WEBVTT", "a WebVTT file"),
    (r"\s*<(!DOCTYPE html|html)", "an HTML page"),
    (r"\s*<(\?xml|\w+[ >])", "an XML document"),
    (r"\s*[{\[]", "JSON or another text"),
)
# What FFmpeg logs, and what that means.
LOGGED = (
    ("Audio object type 42", "it is xHE-AAC (USAC), which FFmpeg cannot decode"),
    ("moov atom not found", "it is an MP4 file without its index (`moov`); it was probably cut off"),
    ("EBML header parsing failed", "its Matroska header is damaged"),
)
UNKNOWN_CODEC = re.compile(r"Decoder .{0,40}not found|Audio: none|no decoder found|Unknown codec", re.IGNORECASE)
IMAGES_IN_BOXES = {b"heic": "an HEIC image", b"mif1": "an HEIF image", b"avif": "an AVIF image"}


def describe_unreadable(file: Path, result: FfmpegResult) -> str:
    """Return why `file` is not audio that can be read, as a clause such as "it is empty"."""
    head = _head(file)
    if not head:
        return "it is empty (0 bytes)"
    kind = _kind(head)
    return f"it is {kind}" if kind else _logged_reason(result)


def _logged_reason(result: FfmpegResult) -> str:
    """Return what FFmpeg's log says about a file that looks like audio."""
    for logged, meaning in LOGGED:
        if logged in result.log:
            return meaning
    if result.not_opened():
        return "its format is unknown, or it is damaged"
    if "Audio:" not in result.log:
        return "it has video but no audio" if "Video:" in result.log else "it has no audio"
    if UNKNOWN_CODEC.search(result.log):
        return "FFmpeg has no decoder for its codec"
    return "no audio can be decoded from it; it is damaged, or of a variant that FFmpeg cannot decode"


def _head(file: Path) -> bytes:
    with file.open("rb") as source:
        return source.read(HEAD_BYTES)


def _kind(head: bytes) -> str:
    """Return what a file is by its beginning, "" if that may be audio."""
    for signature, kind in SIGNATURES:
        if head.startswith(signature):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "a WebP image"
    if head[4:8] == b"ftyp" and head[8:12] in IMAGES_IN_BOXES:
        return IMAGES_IN_BOXES[head[8:12]]
    text = _text(head)
    for pattern, kind in TEXTS:
        if re.match(pattern, text, re.DOTALL | re.IGNORECASE):
            return kind
    return "text" if text else ""


def _text(head: bytes) -> str:
    """Return the beginning of a text without its byte order mark, "" if it is binary."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head.decode("utf-16", "ignore")
    controls = set(range(32)) - {9, 10, 12, 13}
    return "" if controls & set(head) else head.decode("utf-8", "replace").lstrip("\ufeff")
