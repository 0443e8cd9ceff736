"""`clipstitch put`: upload clips, so that nobody needs another tool to try the thing."""

import mimetypes
from collections.abc import Sequence
from pathlib import Path

from clipstitch.cloud import Cloud
from clipstitch.ports import Labels
from clipstitch.refs import ObjectRef
from clipstitch_cli import exits
from clipstitch_cli.connection import connect
from clipstitch_cli.desk import Desk, visible
from clipstitch_cli.failures import NoSuchFile, Usage


def put(files: Sequence[Path], prefix: str, desk: Desk, project: Path | None) -> int:
    """Upload files below a prefix of the bucket, each under its own name."""
    return put_in(connect(desk, project), files, prefix, desk)


def put_in(cloud: Cloud, files: Sequence[Path], prefix: str, desk: Desk) -> int:
    """Upload files to a cloud; nothing is uploaded when one of them cannot be read."""
    if prefix.startswith(cloud.settings.limits.reserved):
        raise Usage(f"--to {prefix!r} is ours; clips lie elsewhere, for example below clips/")
    bodies = [_read(file) for file in files]
    refs = [ObjectRef(cloud.settings.bucket, prefix + file.name) for file in files]
    for ref, body in zip(refs, bodies, strict=True):
        kind = mimetypes.guess_type(ref.key)[0] or "application/octet-stream"
        cloud.objects.write(ref, body, Labels(kind))
        if not desk.json:
            desk.say(f"uploaded {visible(ref.uri)}  {len(body):,} bytes")
    if desk.json:
        desk.hand_over([ref.uri for ref in refs])
    return exits.OK


def _read(file: Path) -> bytes:
    """Read a file."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise NoSuchFile(f"{file}: {error.strerror}") from error
