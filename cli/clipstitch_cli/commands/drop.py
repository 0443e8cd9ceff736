"""`clipstitch drop`: uploads a manifest, and waits for its completion event with --wait."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from clipstitch.common.identifiers import ObjectRef
from clipstitch.jobs.job import Job
from clipstitch.manifest.parse import SUFFIXES, parse
from clipstitch.usecases.context import Context
from clipstitch_cli import exit_codes
from clipstitch_cli.connection import connect
from clipstitch_cli.context import CommandContext, visible
from clipstitch_cli.display.job_progress import Pause, completion_event, follow, show_progress
from clipstitch_cli.display.process_text import format_ms
from clipstitch_cli.errors import UsageError, issues_of, issues_table
from clipstitch_cli.files import read_manifest
from clipstitch_cli.options import Json, Project, command_of, parse_duration
from clipstitch_cli.stored_jobs import pending_sinks, upload_manifest


def drop(
    ctx: typer.Context,
    manifest: Annotated[Path, typer.Argument(help="A manifest file.")],
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the completion event.")] = False,
    _json: Json = False,
    timeout: Annotated[str, typer.Option(help="How long to wait, e.g. 90s or 1h.")] = "10m",
    key: Annotated[str, typer.Option(help="Object key; default: manifests/<file name>.")] = "",
    project: Project = None,
) -> int:
    """Upload a manifest, which starts its job. With --wait: exit code 0 succeeded, 1 failed, 2 rejected, 4 not yet."""
    command, limit = command_of(ctx), parse_duration("--timeout", timeout)
    return drop_manifest(connect(command, project), manifest, command, key=key, timeout=limit if wait else None)


def drop_manifest(
    context: Context,
    manifest: Path,
    command: CommandContext,
    *,
    key: str = "",
    timeout: timedelta | None = None,
    pause: Pause = time.sleep,
) -> int:
    """Upload a manifest file. With a timeout, wait for its event and return the exit code of the job's state.

    Raises UsageError if no trigger watches the key, InvalidManifest if the file is empty, WaitTimedOut.
    """
    prefix = context.settings.manifest_prefix
    ref = ObjectRef(context.settings.bucket, key or prefix + manifest.name)
    if not (ref.key.startswith(prefix) and ref.key.endswith(SUFFIXES)):
        suffixes = ", ".join(SUFFIXES)
        raise UsageError(f"{visible(ref.key)!r} would start no job: keys begin with {prefix} and end in {suffixes}")
    body = read_manifest(manifest)
    if not body:  # the functions would wait for its content
        parse(body, ref, context.settings.limits)
    job_id = upload_manifest(ref, body, context)
    if not command.json:
        command.write_note(f"uploaded {visible(ref.uri)}; see `clipstitch show {job_id}`")
    if timeout is not None:
        return _wait(follow(job_id, context, timeout, pause), context, command)
    command.write(lambda: {"job": job_id, "manifest": ref.uri}, lambda: command.write_line(job_id))
    return exit_codes.OK


def _wait(jobs: Iterator[Job], context: Context, command: CommandContext) -> int:
    job = show_progress(jobs, command)
    event = completion_event(job, context)
    command.write(lambda: event, lambda: _write_event(event, pending_sinks(job), command))
    return exit_codes.BY_STATE[job.state]


def _write_event(event: dict[str, Any], pending: list[str], command: CommandContext) -> None:
    data = event["data"]
    succeeded = data["state"] == "succeeded"
    command.write_line((data["state"], "bold green" if succeeded else "bold red"), f"  {data['job']}")
    if succeeded:
        command.write_line(f"  {visible(data['output']['uri'])}  {format_ms(data['output']['duration_ms'])}")
    if error := data.get("error"):
        command.write_line(f"  {visible(error['message'])} [{error['code']}]\n  remedy: {error['remedy']}")
    if issues := issues_of(data):
        command.out.print(issues_table(issues))
    if pending:
        command.write_line((f"  delivery pending, will be retried: {', '.join(map(visible, pending))}", "yellow"))
