"""`clipstitch plan`: what a manifest would do, before it is done. Writes nothing, anywhere."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from rich.table import Table
from rich.text import Text

from clipstitch.cloud import Cloud
from clipstitch.documents import MAX_BYTES
from clipstitch.plan import Plan, Step
from clipstitch.process import read
from clipstitch.refs import ManifestRef, ObjectRef, job_id_of
from clipstitch.settings import Settings
from clipstitch.submit import plan_for
from clipstitch_cli import exits, words
from clipstitch_cli.connection import connect
from clipstitch_cli.desk import Desk, visible
from clipstitch_cli.explain import clips_table, tell_output
from clipstitch_cli.failures import NoSuchFile, Usage


class Subject(NamedTuple):
    """A manifest to plan. `uploaded`: it is an object already, so that its job has a name."""

    job_id: str
    manifest: ManifestRef
    body: bytes
    uploaded: bool


def plan(manifest: str, desk: Desk, project: Path | None) -> int:
    """Show the plan of a manifest; `BadManifest` with every issue when there can be none."""
    return plan_in(connect(desk, project), manifest, desk)


def plan_in(cloud: Cloud, manifest: str, desk: Desk) -> int:
    """Show the plan of a manifest in a cloud."""
    subject = _subject(manifest, cloud)
    made = plan_for(subject.job_id, subject.manifest, subject.body, cloud)
    if desk.json:
        desk.hand_over(as_json(made, subject))
    else:
        _tell(made, subject, cloud.settings, desk)
    return exits.OK


def _subject(manifest: str, cloud: Cloud) -> Subject:
    """Read the manifest: an object, or a file as if it were uploaded now."""
    if manifest.startswith("oss://"):
        return _object(manifest, cloud)
    path = Path(manifest)
    body = read_file(path)
    etag = hashlib.md5(body, usedforsecurity=False).hexdigest().upper()
    ref = ManifestRef(ObjectRef(cloud.settings.bucket, cloud.settings.manifest_prefix + path.name), etag)
    return Subject(job_id_of(ref, cloud.clock.now()), ref, body, uploaded=False)


def _object(uri: str, cloud: Cloud) -> Subject:
    """Read a manifest that is in the bucket."""
    try:
        ref = ObjectRef.parse(uri)
    except ValueError as error:
        raise Usage(str(error)) from error
    content = cloud.objects.read(ref, limit=MAX_BYTES + 1)
    manifest = ManifestRef(ref, content.about.etag)
    return Subject(job_id_of(manifest, content.about.last_modified), manifest, content.body, uploaded=True)


def read_file(path: Path) -> bytes:
    """Read a manifest file, and no more of it than a manifest may have."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise NoSuchFile(f"{path}: {error.strerror}") from error


def as_json(made: Plan, subject: Subject) -> dict[str, object]:
    """Return a plan as programs read it; a file's job has no name yet."""
    steps = [{**step, "words": words.as_json(read(step["process"]))} for step in made.as_json()["steps"]]
    return {
        **made.as_json(),
        "job_id": made.job_id if subject.uploaded else None,
        "steps": steps,
        "expected_duration_ms": round(made.duration_s * 1000),
    }


def _tell(made: Plan, subject: Subject, settings: Settings, desk: Desk) -> None:
    """Show a plan to people."""
    desk.say(Text.assemble(("Plan of ", "bold"), visible(made.manifest.ref.uri), (", nothing is written", "dim")))
    desk.out.print(_clips(made))
    for step in made.steps:
        _tell_step(step, len(made.steps), desk)
    _tell_output(made, settings, desk)
    if not subject.uploaded:
        desk.say("The job, and with it the name of the work object, gets its id from the upload.", style="dim")


def _clips(made: Plan) -> Table:
    """Lay out the clips with their times in the merged whole."""
    table = Table("", "clip", "taken", "starts at", "length", box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.columns[1].overflow = "fold"
    for number, clip in enumerate(made.clips, start=1):
        taken = words.trim_words(clip.start_ms, clip.duration_ms)
        times = (words.seconds(clip.starts_at_s * 1000), words.seconds(clip.length_s * 1000))
        table.add_row(f"{number:>3}", Text(visible(clip.key) or "(silence)", "cyan"), taken, *times)
    return table


def _tell_step(step: Step, count: int, desk: Desk) -> None:
    """Show a step: the request as OSS reads it, and its meaning."""
    process = read(step.process)
    desk.say(Text.assemble((f"Step {step.number + 1} of {count}: ", "bold"), f"post to {visible(step.main.uri)}"))
    desk.say(f"  {visible(step.process)}", style="green")
    desk.out.print(clips_table(process, step.main.key))
    tell_output(process, desk)


def _tell_output(made: Plan, settings: Settings, desk: Desk) -> None:
    """Show what comes out, and who hears of it."""
    channels = words.channel_words(made.output.channels)
    sound = f"{made.output.format}, {made.output.sample_rate:,} Hz, {channels}"
    desk.say(Text.assemble(("Output: ", "bold"), f"{visible(made.output.ref.uri)} ({sound})"))
    desk.say(Text.assemble(("Expected duration: ", "bold"), words.seconds(made.duration_s * 1000)))
    for remark in made.remarks:
        desk.say(Text.assemble(("remark: ", "bold yellow"), remark))
    result = ObjectRef(made.manifest.ref.bucket, f"{settings.result_prefix}{made.manifest.ref.key}.json")
    told = [f"{name} ({sink.kind} {sink.target})" for name in made.sinks if (sink := settings.sink(name))]
    desk.say(Text.assemble(("Tells: ", "bold"), visible(", ".join([*told, f"the result object {result.uri}"]))))
