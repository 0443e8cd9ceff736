"""`clipstitch demo`: the main job, visibly, on the local cloud, from five spoken clips to the event and the sound."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from rich.text import Text

from clipstitch.common.errors import ClipstitchError
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectHeaders
from clipstitch.jobs.job import Job
from clipstitch.planning.plan import Plan
from clipstitch.usecases.context import Context
from clipstitch_cli import exit_codes
from clipstitch_cli.commands.drop import upload
from clipstitch_cli.commands.up import running
from clipstitch_cli.connection import connect, project_folder
from clipstitch_cli.context import CommandContext
from clipstitch_cli.display import process_text
from clipstitch_cli.display.decoded_audio import Sound, decode
from clipstitch_cli.display.job_progress import Patience, completion_event, follow, stage, watch
from clipstitch_cli.display.svg import svg
from clipstitch_cli.display.waveform import Region, draw
from clipstitch_cli.errors import NoSuchFile, NotWritten

CLIPS = ("pre1.mp3", "pre2.wav", "example.oga", "sur1.aac", "sur2.wma")
PATIENCE = Patience(30_000)
EVENT_WAIT_S = 10
LOGS, LOG_LINES = "functions/logs", 6  # where the local cloud keeps what functions say
# Encoders work in frames: an AAC frame has 1,024 samples, and decoding gives whole frames and the encoder's lead-in.
TOLERANCE_S = 0.1


class DemoFailed(ClipstitchError):
    """The demo did not end as it must."""

    code = "DEMO_FAILED"
    remedy = "This is a bug; the completion event above, or `clipstitch up` with its log, tells more."


class Outcome(NamedTuple):
    """What the demo made."""

    event: dict[str, Any]
    plan: Plan
    file: Path
    picture: Path
    sound: Sound
    seconds: float

    @property
    def difference_s(self) -> float:
        """How much longer the file is than it should be."""
        return self.sound.duration_s - self.plan.duration_s


def demo(command: CommandContext, *, keep: Path | None, project: Path | None) -> int:
    """Run the main job from nothing, and end everything again; only the merged file and its picture stay."""
    folder = project_folder(project)
    keep = keep or folder / "out" / "demo"
    with _written():
        keep.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="clipstitch-demo-") as data, _logs_on_failure(Path(data), command):
        outcome = _outcome(folder, Path(data), keep, command)
    _tell(outcome, command)
    if abs(outcome.difference_s) > TOLERANCE_S:
        lengths = f"{outcome.sound.duration_s:.3f} s long, not {outcome.plan.duration_s:.3f} s"
        raise DemoFailed(f"{outcome.file} is {lengths}")
    return exit_codes.OK


def _outcome(folder: Path, data: Path, keep: Path, command: CommandContext) -> Outcome:
    """Run a local cloud, and the job in it."""
    began = time.monotonic()
    with running(folder, data=data) as env:
        _step(command, "local cloud", f"up from s.yaml and template.yml: OSS at {env['OSS_ENDPOINT']}")
        cloud = connect(command._replace(env={**env}), folder)
        job, event = _job(folder, cloud, env, command)
        return _keep(job, event, cloud, keep, began)


@contextmanager
def _logs_on_failure(data: Path, command: CommandContext) -> Iterator[None]:
    """Show what the functions said last, when the job does not end well: the data goes with the demo."""
    try:
        yield
    except ClipstitchError:
        for log in sorted((data / LOGS).glob("*.log")):
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
            if lines:
                heading = (f"last lines of {log.name}:\n", "bold")
                command.err.print(Text.assemble(heading, "\n".join(lines)), soft_wrap=True)
        raise


def _job(folder: Path, cloud: Context, env: Mapping[str, str], command: CommandContext) -> tuple[Job, dict[str, Any]]:
    """Upload clips and manifest, follow the job, and take its event out of the queue as a consumer does."""
    _upload_clips(folder, cloud)
    _step(command, "uploaded", ", ".join(CLIPS))
    manifest = ObjectRef(cloud.settings.bucket, f"{cloud.settings.manifest_prefix}example.json")
    job_id = upload(manifest, _read(folder, "example.json"), cloud)
    _step(command, "dropped", f"{manifest.uri}, which is job {job_id}")
    job = watch(_narrated(follow(job_id, manifest.bucket, cloud, PATIENCE), command), command)
    _step(
        command, job.state, f"after {len(job.facts)} facts; the event waits in queue {env['CLIPSTITCH_EVENTS_QUEUE']}"
    )
    event = receive(env, env["CLIPSTITCH_EVENTS_QUEUE"])
    kept = completion_event(job, cloud)
    if event["id"] != kept["id"]:
        raise DemoFailed(f"the queue holds event {event['id']}, the result object {kept['id']}")
    if job.state != "succeeded" or job.plan is None:
        raise DemoFailed(f"job {job_id} is {job.state}: {json.dumps(event['data'].get('error') or event['data'])}")
    return job, event


def _narrated(jobs: Iterator[Job], command: CommandContext) -> Iterator[Job]:
    """Say every new stage of a job in a line, where no progress bar shows it."""
    last = ""
    for job in jobs:
        if stage(job) != last and not (job.closed or command.err.is_terminal):
            last = stage(job)
            _step(command, "", last)
        yield job


def _upload_clips(folder: Path, cloud: Context) -> None:
    """Upload the bundled clips."""
    for name in CLIPS:
        clip = ObjectRef(cloud.settings.bucket, f"clips/{name}")
        cloud.objects.write(clip, _read(folder, name), ObjectHeaders(f"audio/{name.rpartition('.')[2]}"))


def _read(folder: Path, name: str) -> bytes:
    """Read one of the bundled files."""
    file = folder / "examples" / "demo" / name
    try:
        return file.read_bytes()
    except OSError as error:
        raise NoSuchFile(f"{file}: {error.strerror}") from error


def receive(env: Mapping[str, str], queue_name: str) -> dict[str, Any]:
    """Take the next event out of a queue, as any consumer with the vendor's SDK would, and delete it there."""
    from mns.account import Account  # noqa: PLC0415 - only where it is needed
    from mns.mns_exception import MNSExceptionBase  # noqa: PLC0415 - likewise

    account = Account(env["MNS_ENDPOINT"], env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"])
    queue = account.get_queue(queue_name)
    try:
        message = queue.receive_message(EVENT_WAIT_S)
        queue.delete_message(message.receipt_handle)
    except MNSExceptionBase as error:
        raise DemoFailed(f"no event in queue {queue_name}: {error}") from error
    event: dict[str, Any] = json.loads(message.message_body)
    return event


def _keep(job: Job, event: dict[str, Any], cloud: Context, folder: Path, began: float) -> Outcome:
    """Fetch the merged file, measure it by decoding, and draw it."""
    if job.plan is None:
        raise DemoFailed(f"job {job.id} has no plan")
    plan = job.plan
    file = folder / plan.output.ref.key.rpartition("/")[2]
    picture = file.with_suffix(".svg")
    body = cloud.objects.read(plan.output.ref).body
    with _written():
        file.write_bytes(body)
        sound = decode(file, plan.output.sample_rate)
        picture.write_text(svg(sound, regions(plan), plan.output.ref.uri), encoding="utf-8")
    return Outcome(event, plan, file, picture, sound, time.monotonic() - began)


@contextmanager
def _written() -> Iterator[None]:
    """Say where something could not be written."""
    try:
        yield
    except OSError as error:
        raise NotWritten(f"{error.filename}: {error.strerror}; choose another folder with --keep") from error


def regions(plan: Plan) -> list[Region]:
    """Return where every clip lies, for the pictures."""
    return [
        Region(
            clip.key.rpartition("/")[2],
            clip.starts_at_s,
            clip.length_s,
            process_text.trim_words(clip.start_ms, clip.duration_ms),
        )
        for clip in plan.clips
    ]


def _step(command: CommandContext, what: str, detail: str) -> None:
    """Say what has just happened, or without a name, what is going on; programs want the end only."""
    if not command.json:
        command.say(Text.assemble(("✓ " if what else "  ", "green"), (f"{what:<13}", "bold"), detail))


def _tell(outcome: Outcome, command: CommandContext) -> None:
    """Show what was made."""
    if command.json:
        command.hand_over(as_json(outcome))
        return
    command.say("\nCompletion event, as received from the queue", style="bold")
    command.out.print_json(json.dumps(outcome.event), indent=2, ensure_ascii=False)
    command.say("\nMerged audio", style="bold")
    command.out.print(draw(outcome.sound, regions(outcome.plan), command.out.width - 1), soft_wrap=True)
    command.say()
    for name, value in _figures(outcome):
        command.say(Text.assemble((f"{name:<12}", "dim"), value))


def _figures(outcome: Outcome) -> list[tuple[str, str]]:
    """Say where the files are and how long the sound is."""
    measured, expected = outcome.sound.duration_s, outcome.plan.duration_s
    samples = f"{len(outcome.sound.samples):,} samples at {outcome.sound.sample_rate:,} Hz"
    compared = f"expected {expected:.3f} s: {outcome.difference_s * 1000:+.0f} ms, the lead-in and last frame of AAC"
    return [
        ("merged", str(outcome.file)),
        ("picture", str(outcome.picture)),
        ("measured", f"{measured:.3f} s ({samples})"),
        ("", compared),
        ("listen for", 'clip one; "pre two, one"; clip three; "four" to "thirteen"; "ten" to "the end"'),
        ("took", f"{outcome.seconds:.1f} s from an empty cloud to this picture"),
    ]


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return what was made as programs read it."""
    return {
        "event": outcome.event,
        "file": str(outcome.file),
        "picture": str(outcome.picture),
        "measured_s": round(outcome.sound.duration_s, 6),
        "expected_s": round(outcome.plan.duration_s, 6),
        "difference_ms": round(outcome.difference_s * 1000, 3),
        "took_s": round(outcome.seconds, 3),
    }
