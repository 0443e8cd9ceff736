"""Carries out one media task: sources out of the store, join, target into the store. The task service calls it."""

import os
import re
import shutil
from pathlib import Path

from localyun.errors import ServiceError
from localyun.imm.errors import ImmError
from localyun.imm.ffmpeg import Ffmpeg
from localyun.imm.formats import FORMATS
from localyun.imm.join import Joined, Piece, Trim, join
from localyun.imm.work import Source, Work
from localyun.oss.service import ObjectService, Origin, WriteOptions

SAFE_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}")
ATTEMPTS = 3  # a source that is overwritten between being found and being opened


def carry_out(work: Work, objects: ObjectService, ffmpeg: Ffmpeg, folder: Path, request_id: str) -> Joined:
    """Join the sources in `folder`, which is this task's own, and put the target; raises `ImmError`."""
    pieces = [_fetch(objects, source, folder, number) for number, source in enumerate(work.sources)]
    whole = Trim(work.start_ms, work.duration_ms)
    joined = join(ffmpeg, folder, pieces, work.encoding, align=work.align, whole=whole)
    options = WriteOptions(FORMATS[work.encoding.format].content_type, origin=Origin(request_id))
    try:
        objects.put(work.bucket, work.key, joined.file, options)
    except ServiceError as refusal:
        raise ImmError(refusal.code, f"{work.target_uri}: {refusal.message}") from refusal
    return joined


def _fetch(objects: ObjectService, source: Source, folder: Path, number: int) -> Piece:
    """Put a source into the folder under a safe name, without copying where the file system can link."""
    suffix = Path(source.key).suffix
    name = f"{number:02d}{suffix if SAFE_SUFFIX.fullmatch(suffix) else ''}"
    for _ in range(ATTEMPTS):
        try:
            _link(objects.head(source.bucket, source.key).file, folder / name)
        except FileNotFoundError:
            continue
        except ServiceError as refusal:
            raise _missing(source, refusal.message) from refusal
        return Piece(name, source.uri, Trim(source.start_ms, source.duration_ms))
    raise _missing(source, "it is being overwritten all the time.")


def _link(file: Path, name: Path) -> None:
    """Give a file a second name, or copy it where that is not possible."""
    try:
        os.link(file, name)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(file, name)


def _missing(source: Source, why: str) -> ImmError:
    return ImmError("InvalidArgument", f"File does not exist. {source.uri}: {why}")
