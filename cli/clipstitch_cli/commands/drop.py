"""`clipstitch drop`: upload a manifest, and wait for its completion event if asked to."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from rich.text import Text

from clipstitch.common.identifiers import ManifestRef, ObjectRef, job_id_of
from clipstitch.common.ports import ObjectHeaders
from clipstitch.manifest.parse import SUFFIXES
from clipstitch.usecases.context import Context
from clipstitch_cli import exit_codes
from clipstitch_cli.commands.jobs import owed_to
from clipstitch_cli.commands.plan import read_file
from clipstitch_cli.connection import connect
from clipstitch_cli.context import CommandContext, visible
from clipstitch_cli.display import process_text
from clipstitch_cli.display.job_progress import Patience, completion_event, follow, watch
from clipstitch_cli.errors import Usage, issues_of, issues_table
from clipstitch_cli.options import length_of


class Drop(NamedTuple):
    """What to upload, under which key ("" for the usual one), and how long to wait."""

    manifest: Path
    key: str = ""
    wait: bool = False
    timeout: str = "10m"


def drop(what: Drop, command: CommandContext, project: Path | None) -> int:
    """Upload a manifest; with `wait`, the exit code says how its job ended."""
    return drop_in(connect(command, project), what, command)


def drop_in(cloud: Context, what: Drop, command: CommandContext, pause: Callable[[float], None] = time.sleep) -> int:
    """Upload a manifest to a cloud."""
    patience = Patience(length_of("--timeout", what.timeout), pause)
    ref = _target(what, cloud)
    job_id = upload(ref, read_file(what.manifest), cloud)
    if not command.json:
        command.err.print(Text(f"uploaded {visible(ref.uri)}; see `clipstitch show {job_id}`", "dim"), soft_wrap=True)
    if not what.wait:
        _tell_started(job_id, ref, command)
        return exit_codes.OK
    job = watch(follow(job_id, ref.bucket, cloud, patience), command)
    _tell_ended(completion_event(job, cloud), command)
    if (pending := owed_to(job)) and not command.json:
        command.say(Text(f"  still owed to {', '.join(map(visible, pending))}: they will be told again", "yellow"))
    return exit_codes.BY_STATE[job.state]


def _target(what: Drop, cloud: Context) -> ObjectRef:
    """Name the object; one that no trigger watches would start nothing, silently."""
    prefix = cloud.settings.manifest_prefix
    key = what.key or prefix + what.manifest.name
    if not (key.startswith(prefix) and key.endswith(SUFFIXES)):
        raise Usage(f"{visible(key)!r} would start no job: keys begin with {prefix} and end in {', '.join(SUFFIXES)}")
    return ObjectRef(cloud.settings.bucket, key)


def upload(ref: ObjectRef, body: bytes, cloud: Context) -> str:
    """Upload a manifest and return the id of its job, which follows from the object."""
    kind = "application/json" if ref.key.endswith(".json") else "application/yaml"
    cloud.objects.write(ref, body, ObjectHeaders(kind))
    about = cloud.objects.describe(ref)
    return job_id_of(ManifestRef(ref, about.etag), about.last_modified)


def _tell_started(job_id: str, ref: ObjectRef, command: CommandContext) -> None:
    """Name the job."""
    if command.json:
        command.hand_over({"job": job_id, "manifest": ref.uri})
        return
    command.say(job_id)


def _tell_ended(event: dict[str, Any], command: CommandContext) -> None:
    """Show the completion event: alone, and whole, for programs."""
    if command.json:
        command.hand_over(event)
        return
    data = event["data"]
    style = "bold green" if data["state"] == "succeeded" else "bold red"
    command.say(Text.assemble((data["state"], style), f"  {data['job']}"))
    if data["state"] == "succeeded":
        command.say(f"  {visible(event['subject'])}  {process_text.seconds(data['output']['duration_ms'])}")
    if error := data.get("error"):
        command.say(f"  {visible(error['message'])} [{error['code']}]\n  remedy: {error['remedy']}")
    if issues := issues_of(data):
        command.out.print(issues_table(issues))
