"""Render a step whose clips are objects, in a folder of files that is deleted afterwards."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from clipstitch.common.errors import ClipChanged, ObjectNotFound
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectFiles, ObjectHeaders
from clipstitch.planning.render_spec import RenderedClip, RenderReport, RenderSpec
from clipstitch.rendering.ffmpeg import FfmpegProgram
from clipstitch.rendering.render import render


class RenderedOutput:
    """What a render step made: a file that is not yet an object, and the report about it."""

    def __init__(self, file: Path, report: RenderReport, files: ObjectFiles) -> None:
        self.report = report
        self._file = file
        self._files = files

    def store(self, target: ObjectRef, content_type: str) -> None:
        """Store the file as an object."""
        self._files.upload(str(self._file), target, ObjectHeaders(content_type))


class FfmpegRenderer:
    """Renders with FFmpeg's executable; `workers` clips at once, by default one for each processor."""

    def __init__(self, executable: str, files: ObjectFiles, workers: int = 0, folder: str | None = None) -> None:
        self._executable = executable
        self._files = files
        self._workers = workers or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
        self._folder = folder

    @contextmanager
    def render(self, bucket: str, spec: RenderSpec) -> Iterator[RenderedOutput]:
        """Render a step whose clips are in a bucket. Raises like `render`; `ClipChanged` and `ObjectNotFound` also."""

        def fetch(clip: RenderedClip, path: Path) -> None:
            try:
                self._files.download(ObjectRef(bucket, clip.key), str(path), clip.etag)
            except (ClipChanged, ObjectNotFound) as error:
                raise type(error)(f"clip `{clip.key}`: {error}") from error

        with TemporaryDirectory(dir=self._folder, prefix="render-") as folder:
            made = render(spec, fetch, FfmpegProgram(self._executable, Path(folder)), self._workers)
            yield RenderedOutput(made.file, made.report, self._files)
