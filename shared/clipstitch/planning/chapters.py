"""Chapters as files know them: WebVTT beside the output, and an ID3v2 tag in front of an MP3. Pure.

The tag is padded to the size that OSS asks of every part but the last, so that the published object can be put together
in the cloud: the tag as the first part, the audio copied as the rest. Nobody downloads the audio.

Sources: W3C "WebVTT" section 4; "ID3v2 Chapter Frame Addendum" 1.0; OSS, "UploadPart", 2026: at least 100 KB a part.
"""

from collections.abc import Sequence
from io import BytesIO
from typing import Any, NamedTuple

from clipstitch.common.identifiers import ObjectRef
from clipstitch.planning.plan import PlacedClip, Plan

MIN_PART_BYTES = 100 * 1024
ID3_HEADER_BYTES = 10
MAX_CTOC_ENTRIES = 255  # the count is one byte; more chapters stand in tables within the table
_NO_OFFSET = 0xFFFFFFFF  # "use the times"


class Chapter(NamedTuple):
    """A chapter; times in ms from the start of the output."""

    title: str
    start_ms: int
    end_ms: int


def chapters_of(plan: Plan) -> list[Chapter]:
    """Return a chapter for every clip that can be heard; each lasts until the next begins.

    A chapter is called by the clip's title, or else by its file name without folder and extension.
    """
    heard = [clip for clip in plan.clips if clip.key and clip.length_s]
    starts = [round(clip.starts_at_s * 1000) for clip in heard]
    ends = [*starts[1:], round(plan.duration_s * 1000)]
    return [Chapter(_title(clip), start, end) for clip, start, end in zip(heard, starts, ends, strict=True)]


def _title(clip: PlacedClip) -> str:
    """Name a clip for people."""
    name = clip.key.rpartition("/")[2]
    return clip.title or name.rpartition(".")[0] or name


def webvtt_ref(plan: Plan) -> ObjectRef:
    """Name the object beside the output that holds its chapters."""
    folder, slash, name = plan.output.ref.key.rpartition("/")
    return ObjectRef(plan.output.ref.bucket, f"{folder}{slash}{name.rpartition('.')[0] or name}.vtt")


def webvtt(chapters: Sequence[Chapter]) -> str:
    """Write chapters as WebVTT, one cue each."""
    cues = (
        f"{number}\n{_vtt_time(chapter.start_ms)} --> {_vtt_time(chapter.end_ms)}\n{_vtt_text(chapter.title)}\n"
        for number, chapter in enumerate(chapters, start=1)
    )
    return "\n".join(("WEBVTT\n", *cues))


def _vtt_time(milliseconds: int) -> str:
    """Write a time as WebVTT does.

    >>> _vtt_time(3_723_004)
    '01:02:03.004'
    """
    seconds, ms = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{ms:03d}"


def _vtt_text(title: str) -> str:
    """Write a title on one line, with WebVTT's own characters escaped."""
    return " ".join(title.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") or "–"


def id3_tag(title: str, chapters: Sequence[Chapter]) -> bytes:
    """Write an ID3v2.4 tag: a title, a CTOC, a CHAP frame for each chapter; padded to more than `MIN_PART_BYTES`.

    Chapters stand in the order of time, since not every player reads the table; mutagen would sort them by size.
    """
    from mutagen.id3 import CHAP, CTOC, TIT2, CTOCFlags, Encoding  # noqa: PLC0415 - only MP3s with chapters pay for it

    def heading(text: str) -> TIT2:
        return TIT2(encoding=Encoding.UTF8, text=[text])

    names = [f"chp{number}" for number in range(len(chapters))]
    pages = [names[at : at + MAX_CTOC_ENTRIES] for at in range(0, len(names), MAX_CTOC_ENTRIES)]
    inner = {f"toc{number}": page for number, page in enumerate(pages)} if len(pages) > 1 else {}
    flags = CTOCFlags.TOP_LEVEL | CTOCFlags.ORDERED
    toc = CTOC(element_id="toc", flags=flags, child_element_ids=list(inner) or names, sub_frames=[heading(title)])
    tables = [CTOC(element_id=name, flags=CTOCFlags.ORDERED, child_element_ids=page) for name, page in inner.items()]
    marks = (
        CHAP(
            element_id=name,
            start_time=chapter.start_ms,
            end_time=chapter.end_ms,
            start_offset=_NO_OFFSET,
            end_offset=_NO_OFFSET,
            sub_frames=[heading(chapter.title)],
        )
        for name, chapter in zip(names, chapters, strict=True)
    )
    frames = b"".join(_frame(frame) for frame in (heading(title), toc, *tables, *marks)) + bytes(MIN_PART_BYTES)
    size = bytes(len(frames) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x04\x00\x00" + size + frames


def _frame(frame: Any) -> bytes:
    """Write one frame, as mutagen puts it behind the header of a tag that has no other."""
    from mutagen.id3 import ID3  # noqa: PLC0415

    tag, file = ID3(), BytesIO()
    tag.add(frame)
    tag.save(file, v2_version=4, padding=lambda _info: 0)
    return file.getvalue()[ID3_HEADER_BYTES:]


def id3_size(head: bytes) -> int:
    """Return how many bytes of a file are an ID3v2 tag, from the file's first ten; 0 when it has none.

    >>> id3_size(b"ID3" + bytes([4, 0, 0, 0, 0, 1, 5]))
    143
    """
    if len(head) < ID3_HEADER_BYTES or head[:3] != b"ID3":
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    footer = ID3_HEADER_BYTES if head[5] & 0x10 else 0
    return ID3_HEADER_BYTES + size + footer
