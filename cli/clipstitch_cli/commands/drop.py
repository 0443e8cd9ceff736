"""`clipstitch drop`: upload a manifest, and wait for its completion event if asked to."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from rich.text import Text

from clipstitch.common.identifiers import ManifestRef, ObjectRef, job_id_of
from clipstitch.common.ports import Labels
from clipstitch.manifest.parse import SUFFIXES
from clipstitch.usecases.context import Cloud
from clipstitch_cli import exit_codes
from clipstitch_cli.commands.jobs import owed_to
from clipstitch_cli.commands.plan import read_file
from clipstitch_cli.connection import connect
from clipstitch_cli.context import Desk, visible
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


def drop(what: Drop, desk: Desk, project: Path | None) -> int:
    """Upload a manifest; with `wait`, the exit code says how its job ended."""
    return drop_in(connect(desk, project), what, desk)


def drop_in(cloud: Cloud, what: Drop, desk: Desk, pause: Callable[[float], None] = time.sleep) -> int:
    """Upload a manifest to a cloud."""
    patience = Patience(length_of("--timeout", what.timeout), pause)
    ref = _target(what, cloud)
    job_id = upload(ref, read_file(what.manifest), cloud)
    if not desk.json:
        desk.err.print(Text(f"uploaded {visible(ref.uri)}; see `clipstitch show {job_id}`", "dim"), soft_wrap=True)
    if not what.wait:
        _tell_started(job_id, ref, desk)
        return exit_codes.OK
    job = watch(follow(job_id, ref.bucket, cloud, patience), desk)
    _tell_ended(completion_event(job, cloud), desk)
    if (owed := owed_to(job)) and not desk.json:
        desk.say(Text(f"  still owed to {', '.join(map(visible, owed))}: they will be told again", "yellow"))
    return exit_codes.BY_STATE[job.state]


def _target(what: Drop, cloud: Cloud) -> ObjectRef:
    """Name the object; one that no trigger watches would start nothing, silently."""
    prefix = cloud.settings.manifest_prefix
    key = what.key or prefix + what.manifest.name
    if not (key.startswith(prefix) and key.endswith(SUFFIXES)):
        raise Usage(f"{visible(key)!r} would start no job: keys begin with {prefix} and end in {', '.join(SUFFIXES)}")
    return ObjectRef(cloud.settings.bucket, key)


def upload(ref: ObjectRef, body: bytes, cloud: Cloud) -> str:
    """Upload a manifest and return the id of its job, which follows from the object."""
    kind = "application/json" if ref.key.endswith(".json") else "application/yaml"
    cloud.objects.write(ref, body, Labels(kind))
    about = cloud.objects.describe(ref)
    return job_id_of(ManifestRef(ref, about.etag), about.last_modified)


def _tell_started(job_id: str, ref: ObjectRef, desk: Desk) -> None:
    """Name the job."""
    if desk.json:
        desk.hand_over({"job": job_id, "manifest": ref.uri})
        return
    desk.say(job_id)


def _tell_ended(event: dict[str, Any], desk: Desk) -> None:
    """Show the completion event: alone, and whole, for programs."""
    if desk.json:
        desk.hand_over(event)
        return
    data = event["data"]
    style = "bold green" if data["state"] == "succeeded" else "bold red"
    desk.say(Text.assemble((data["state"], style), f"  {data['job']}"))
    if data["state"] == "succeeded":
        desk.say(f"  {visible(event['subject'])}  {process_text.seconds(data['output']['duration_ms'])}")
    if error := data.get("error"):
        desk.say(f"  {visible(error['message'])} [{error['code']}]\n  remedy: {error['remedy']}")
    if issues := issues_of(data):
        desk.out.print(issues_table(issues))
