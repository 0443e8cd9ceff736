"""Write chapters as WebVTT, and as the ID3v2 tag of an MP3. Pure.

The tag is padded to the minimum size of a part in OSS, so that the cloud can assemble the published object: the tag is
the first part, and the audio is copied as the second without a download.

Sources: W3C "WebVTT" section 4; "ID3v2 Chapter Frame Addendum" 1.0; OSS, "UploadPart", 2026: at least 100 KB a part.
"""

from collections.abc import Sequence
from io import BytesIO
from typing import Any, NamedTuple

from clipstitch.common.identifiers import ObjectRef
from clipstitch.manifest.object_keys import webvtt_key
from clipstitch.planning.plan import PlacedClip, Plan

MIN_PART_BYTES = 100 * 1024
ID3_HEADER_BYTES = 10
MAX_CTOC_ENTRIES = 255  # the count is one byte; more chapters need nested tables
_NO_OFFSET = 0xFFFFFFFF  # this value means: use the times


class Chapter(NamedTuple):
    """A chapter; times in ms from the start of the output."""

    title: str
    start_ms: int
    end_ms: int


def chapters_of(plan: Plan, starts_ms: Sequence[int] = (), length_ms: int | None = None) -> list[Chapter]:
    """Return a chapter for every clip that is not trimmed away; each ends where the next starts.

    Its title is that of the clip, or else the file name without folder and extension. `starts_ms`, one for each clip of
    the plan, and `length_ms` are measured; by default they are those of the plan. A clip that starts at the end, or
    where the next one starts, has no chapter.
    """
    starts_ms = starts_ms or planned_starts(plan)
    found = [(clip, start) for clip, start in zip(plan.clips, starts_ms, strict=True) if clip.key and clip.length_s]
    ends = [*(start for _, start in found[1:]), round(plan.duration_s * 1000) if length_ms is None else length_ms]
    chapters = (Chapter(_title(clip), start, end) for (clip, start), end in zip(found, ends, strict=True))
    return [chapter for chapter in chapters if chapter.start_ms < chapter.end_ms]


def planned_starts(plan: Plan) -> tuple[int, ...]:
    """Return where each clip of a plan, silences included, starts in ms."""
    return tuple(round(clip.starts_at_s * 1000) for clip in plan.clips)


def _title(clip: PlacedClip) -> str:
    name = clip.key.rpartition("/")[2]
    return clip.title or name.rpartition(".")[0] or name


def webvtt_ref(plan: Plan) -> ObjectRef:
    """Return the object of the WebVTT file, which is beside the output."""
    return ObjectRef(plan.output.ref.bucket, webvtt_key(plan.output.ref.key))


def webvtt(chapters: Sequence[Chapter]) -> str:
    """Return a WebVTT file with one cue for each chapter."""
    cues = (
        f"{number}\n{_vtt_time(chapter.start_ms)} --> {_vtt_time(chapter.end_ms)}\n{_vtt_text(chapter.title)}\n"
        for number, chapter in enumerate(chapters, start=1)
    )
    return "\n".join(("WEBVTT\n", *cues))


def _vtt_time(milliseconds: int) -> str:
    seconds, ms = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{ms:03d}"


def _vtt_text(title: str) -> str:
    """Return a title on one line, with the special characters of WebVTT escaped."""
    return " ".join(title.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") or "–"


def id3_tag(title: str, chapters: Sequence[Chapter]) -> bytes:
    """Return an ID3v2.4 tag of more than `MIN_PART_BYTES`: a title, a CTOC, and a CHAP frame for each chapter.

    The CHAP frames are in the order of time, because some players ignore the CTOC; mutagen would sort them by size.
    """
    from mutagen.id3 import CHAP, CTOC, TIT2, BitPaddedInt, CTOCFlags, Encoding  # noqa: PLC0415 - only for MP3

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
    return b"ID3\x04\x00\x00" + BitPaddedInt.to_str(len(frames)) + frames


def _frame(frame: Any) -> bytes:
    """Return the bytes of a frame: a tag with only this frame, without its header."""
    from mutagen.id3 import ID3  # noqa: PLC0415

    tag, file = ID3(), BytesIO()
    tag.add(frame)
    tag.save(file, v2_version=4, padding=lambda _info: 0)
    return file.getvalue()[ID3_HEADER_BYTES:]


def id3_size(head: bytes) -> int:
    """Return the size in bytes of the ID3v2 tag of a file, given its first ten bytes; 0 if it has none.

    >>> id3_size(b"ID3" + bytes([4, 0, 0, 0, 0, 1, 5]))
    143
    """
    if len(head) < ID3_HEADER_BYTES or head[:3] != b"ID3":
        return 0
    from mutagen.id3 import BitPaddedInt  # noqa: PLC0415

    footer = ID3_HEADER_BYTES if head[5] & 0x10 else 0
    return ID3_HEADER_BYTES + int(BitPaddedInt(head[6:10])) + footer
