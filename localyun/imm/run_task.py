"""Executes one media task: fetches the sources, joins them, stores the target. The task service calls it."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from localyun.errors import ServiceError
from localyun.imm.audio_info import AudioInfo
from localyun.imm.errors import ImmError
from localyun.imm.ffmpeg import Ffmpeg
from localyun.imm.join import InputClip, Trim, join
from localyun.imm.output_formats import FORMATS
from localyun.imm.task_spec import TaskSource, TaskSpec
from localyun.oss.service import ObjectService, Origin, WriteOptions

SAFE_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}")
ATTEMPTS = 3  # a source may be overwritten between its lookup and the opening of its file


def run_task(  # noqa: PLR0913, PLR0917 - its collaborators
    spec: TaskSpec,
    objects: ObjectService,
    ffmpeg: Ffmpeg,
    info: AudioInfo,
    folder: Path,
    request_id: str,
    check: Callable[[str, str, str], None],
) -> None:
    """Join the sources in `folder`, which no other task uses, and store the target; raise `ImmError` if that fails.

    `check("oss:GetObject", bucket, key)` raises `ImmError` if IMM may not read or write an object.
    """
    for source in spec.sources:
        check("oss:GetObject", source.bucket, source.key)
    clips = [_fetch(objects, info, source, folder, number) for number, source in enumerate(spec.sources)]
    output_trim = Trim(spec.start_ms, spec.duration_ms)
    joined = join(ffmpeg, folder, clips, spec.encoding, align=spec.align, output_trim=output_trim)
    options = WriteOptions(FORMATS[spec.encoding.format].content_type, origin=Origin(request_id))
    check("oss:PutObject", spec.bucket, spec.key)
    try:
        objects.put(spec.bucket, spec.key, joined.file, options)
    except ServiceError as error:
        raise ImmError(error.code, f"{spec.target_uri}: {error.message}") from error


def _fetch(objects: ObjectService, info: AudioInfo, source: TaskSource, folder: Path, number: int) -> InputClip:
    """Place a source in the folder under a safe name, and look at its audio."""
    suffix = Path(source.key).suffix
    name = f"{number:02d}{suffix if SAFE_SUFFIX.fullmatch(suffix) else ''}"
    for _ in range(ATTEMPTS):
        try:
            _link(objects.read(source.bucket, source.key).file, folder / name)
        except FileNotFoundError:
            continue
        except ServiceError as error:
            raise _missing(source, error.message) from error
        audio = info.measure(folder / name, f"The source {source.uri}")
        return InputClip(name, source.uri, audio, Trim(source.start_ms, source.duration_ms))
    raise _missing(source, "the object is overwritten repeatedly.")


def _link(file: Path, name: Path) -> None:
    """Link a file under a second name, or copy it where the file system cannot link."""
    try:
        os.link(file, name)
    except OSError:
        shutil.copyfile(file, name)


def _missing(source: TaskSource, reason: str) -> ImmError:
    return ImmError("InvalidArgument", f"File does not exist. {source.uri}: {reason}")
