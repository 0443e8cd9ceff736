"""`clipstitch put`: uploads clips."""

import mimetypes
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectHeaders
from clipstitch.usecases.context import Context
from clipstitch_cli import exit_codes
from clipstitch_cli.connection import connect
from clipstitch_cli.context import CommandContext, visible
from clipstitch_cli.errors import UsageError
from clipstitch_cli.files import read_file
from clipstitch_cli.options import Json, Project, command_of


def put(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Audio files.")],
    to: Annotated[str, typer.Option(help="Key prefix in the bucket; a folder ends in /.")] = "clips/",
    _json: Json = False,
    project: Project = None,
) -> int:
    """Upload clips to the bucket, each under the name of its file."""
    command = command_of(ctx)
    return put_files(connect(command, project), files, to, command)


def put_files(context: Context, files: Sequence[Path], prefix: str, command: CommandContext) -> int:
    """Upload files under a prefix; none if one of them cannot be read. Raises FileNotReadable."""
    if prefix.startswith(context.settings.limits.reserved):
        raise UsageError(f"--to: prefix {prefix!r} is reserved; use another, for example clips/")
    for file in files:
        read_file(file, limit=0)
    refs = [ObjectRef(context.settings.bucket, prefix + file.name) for file in files]
    for ref, file in zip(refs, files, strict=True):
        body = read_file(file)
        content_type = mimetypes.guess_type(ref.key)[0] or "application/octet-stream"
        context.objects.write(ref, body, ObjectHeaders(content_type))
        if not command.json:
            command.write_line(f"uploaded {visible(ref.uri)}  {len(body):,} bytes")
    if command.json:
        command.write_json([ref.uri for ref in refs])
    return exit_codes.OK
