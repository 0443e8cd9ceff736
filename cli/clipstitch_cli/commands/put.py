"""`clipstitch put`: upload clips, so that nobody needs another tool to try the thing."""

import mimetypes
from collections.abc import Sequence
from pathlib import Path

from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectHeaders
from clipstitch.usecases.context import Context
from clipstitch_cli import exit_codes
from clipstitch_cli.connection import connect
from clipstitch_cli.context import CommandContext, visible
from clipstitch_cli.errors import NoSuchFile, Usage


def put(files: Sequence[Path], prefix: str, command: CommandContext, project: Path | None) -> int:
    """Upload files below a prefix of the bucket, each under its own name."""
    return put_in(connect(command, project), files, prefix, command)


def put_in(cloud: Context, files: Sequence[Path], prefix: str, command: CommandContext) -> int:
    """Upload files to a cloud; nothing is uploaded when one of them cannot be read."""
    if prefix.startswith(cloud.settings.limits.reserved):
        raise Usage(f"--to {prefix!r} is ours; clips lie elsewhere, for example below clips/")
    for file in files:
        _read(file, 0)
    refs = [ObjectRef(cloud.settings.bucket, prefix + file.name) for file in files]
    for ref, file in zip(refs, files, strict=True):
        body = _read(file)
        kind = mimetypes.guess_type(ref.key)[0] or "application/octet-stream"
        cloud.objects.write(ref, body, ObjectHeaders(kind))
        if not command.json:
            command.say(f"uploaded {visible(ref.uri)}  {len(body):,} bytes")
    if command.json:
        command.hand_over([ref.uri for ref in refs])
    return exit_codes.OK


def _read(file: Path, limit: int = -1) -> bytes:
    """Read a file, or only the beginning of it, to see whether it can be read."""
    try:
        with file.open("rb") as opened:
            return opened.read(limit)
    except OSError as error:
        raise NoSuchFile(f"{file}: {error.strerror}") from error
