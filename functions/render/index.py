"""Function Compute entry point of an asynchronous task: renders one step of a job with FFmpeg."""

import os

import imageio_ffmpeg

from clipstitch.bootstrap import build_context, build_files
from clipstitch.common.errors import ClipstitchError
from clipstitch.common.render_task import RenderTask
from clipstitch.rendering.renderer import FfmpegRenderer
from clipstitch.usecases.render_step import render_step


def handler(event: bytes, context: object) -> str:
    """Render a step; raise an error that begins with its code, so that the failure destination reports it."""
    task = RenderTask.parse(event)
    renderer = FfmpegRenderer(imageio_ffmpeg.get_ffmpeg_exe(), build_files(os.environ, context))
    try:
        render_step(task, build_context(os.environ, context), renderer)
    except ClipstitchError as error:
        raise RuntimeError(f"{error.code}: {error}") from error
    return task.id
