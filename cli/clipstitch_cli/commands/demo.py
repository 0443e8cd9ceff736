"""`clipstitch demo`: merges five spoken clips on the local cloud, and shows the event and the merged audio."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, NamedTuple

import typer
from rich.text import Text

from clipstitch.common.credentials import read_access_key
from clipstitch.common.errors import ClipstitchError
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectHeaders
from clipstitch.jobs.job import Job
from clipstitch.planning.plan import Plan
from clipstitch.usecases.context import Context
from clipstitch_cli import exit_codes
from clipstitch_cli.connection import connect, project_folder
from clipstitch_cli.context import CommandContext
from clipstitch_cli.display.decoded_audio import ClipSpan, DecodedAudio, decode
from clipstitch_cli.display.job_progress import completion_event, follow, show_progress
from clipstitch_cli.display.job_text import stage
from clipstitch_cli.display.process_text import format_trim
from clipstitch_cli.display.svg import svg
from clipstitch_cli.display.waveform import draw
from clipstitch_cli.errors import OutputNotWritten
from clipstitch_cli.files import read_file
from clipstitch_cli.local_cloud import running_local_cloud
from clipstitch_cli.options import Json, Project, command_of
from clipstitch_cli.stored_jobs import upload_manifest

CLIPS = ("pre1.mp3", "pre2.wav", "example.oga", "sur1.aac", "sur2.wma")
TIMEOUT = timedelta(seconds=30)
EVENT_WAIT_S = 10
LOGS, LOG_LINES = "functions/logs", 6  # where the local cloud writes the functions' logs
# Encoders work in frames: an AAC frame has 1,024 samples, and decoding gives whole frames and the encoder's lead-in.
TOLERANCE_S = 0.1


class DemoFailed(ClipstitchError):
    """The demo did not produce the expected result."""

    code = "DEMO_FAILED"
    remedy = "This is a bug; see the completion event above, or run `clipstitch up` and read its log."


class DemoResult(NamedTuple):
    """What the demo made. `elapsed_s`: from an empty cloud to the picture."""

    event: dict[str, Any]
    plan: Plan
    file: Path
    picture: Path
    audio: DecodedAudio
    elapsed_s: float

    @property
    def difference_s(self) -> float:
        """How much longer the file is than planned."""
        return self.audio.duration_s - self.plan.duration_s


def demo(
    ctx: typer.Context,
    _json: Json = False,
    keep: Annotated[Path | None, typer.Option(help="Folder for the merged file; default: out/demo.")] = None,
    project: Project = None,
) -> int:
    """Merge five spoken clips on a local cloud; show and measure the result."""
    command, folder = command_of(ctx), project_folder(project)
    keep = keep or folder / "out" / "demo"
    with _write_errors():
        keep.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="clipstitch-demo-") as data, _logs_on_failure(Path(data), command):
        result = _run(folder, Path(data), keep, command)
    command.write(lambda: _as_json(result), lambda: _write_result(result, command))
    if abs(result.difference_s) > TOLERANCE_S:
        lengths = f"{result.audio.duration_s:.3f} s long, not {result.plan.duration_s:.3f} s"
        raise DemoFailed(f"{result.file} is {lengths}")
    return exit_codes.OK


def _run(folder: Path, data: Path, keep: Path, command: CommandContext) -> DemoResult:
    """Run a local cloud and the job in it; download, decode and draw the output."""
    began = time.monotonic()
    with running_local_cloud(folder, data=data) as env:
        _write_step(command, "local cloud", f"started from s.yaml and template.yml: OSS at {env['OSS_ENDPOINT']}")
        context = connect(command._replace(env={**env}), folder)
        plan, event = _run_job(folder, context, env, command)
        body = context.objects.read(plan.output.ref).body
    file = keep / plan.output.ref.key.rpartition("/")[2]
    picture = file.with_suffix(".svg")
    with _write_errors():
        file.write_bytes(body)
        audio = decode(file, plan.output.sample_rate)
        picture.write_text(svg(audio, _clip_spans(plan), plan.output.ref.uri), encoding="utf-8")
    return DemoResult(event, plan, file, picture, audio, time.monotonic() - began)


@contextmanager
def _logs_on_failure(data: Path, command: CommandContext) -> Iterator[None]:
    """Show the functions' last log lines if the job fails, because the data is removed with the demo."""
    try:
        yield
    except ClipstitchError:
        for log in sorted((data / LOGS).glob("*.log")):
            if lines := log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]:
                command.write_note((f"last lines of {log.name}:\n", "bold"), "\n".join(lines), style="")
        raise


def _run_job(
    folder: Path, context: Context, env: Mapping[str, str], command: CommandContext
) -> tuple[Plan, dict[str, Any]]:
    """Upload clips and manifest, follow the job, and receive its event from the queue as a consumer does."""
    bucket, examples = context.settings.bucket, folder / "examples" / "demo"
    for name in CLIPS:
        content_type = f"audio/{name.rpartition('.')[2]}"
        clip = ObjectRef(bucket, f"clips/{name}")
        context.objects.write(clip, read_file(examples / name), ObjectHeaders(content_type))
    _write_step(command, "uploaded", ", ".join(CLIPS))
    manifest = ObjectRef(bucket, f"{context.settings.manifest_prefix}example.json")
    job_id = upload_manifest(manifest, read_file(examples / "example.json"), context)
    _write_step(command, "dropped", f"{manifest.uri}, which is job {job_id}")
    job = show_progress(_write_stages(follow(job_id, context, TIMEOUT), command), command)
    queue = env["CLIPSTITCH_EVENTS_QUEUE"]
    _write_step(command, job.state, f"after {len(job.facts)} facts; the event is in queue {queue}")
    event, stored = _receive_event(env, queue), completion_event(job, context)
    if event["id"] != stored["id"]:
        raise DemoFailed(f"the queue holds event {event['id']}, the result object {stored['id']}")
    if job.state != "succeeded" or job.plan is None:
        raise DemoFailed(f"job {job_id} is {job.state}: {json.dumps(event['data'].get('error') or event['data'])}")
    return job.plan, event


def _write_stages(jobs: Iterator[Job], command: CommandContext) -> Iterator[Job]:
    """Write every new stage of a job, unless a progress bar shows it."""
    last = ""
    for job in jobs:
        if stage(job) != last and not (job.closed or command.err.is_terminal):
            last = stage(job)
            _write_step(command, "", last)
        yield job


def _receive_event(env: Mapping[str, str], name: str) -> dict[str, Any]:
    """Receive the next event from a queue, and delete it there."""
    from clipstitch_cli.smq_queue import SmqQueue, smq_account  # noqa: PLC0415 - loads the SMQ SDK

    queue = SmqQueue(smq_account(env["MNS_ENDPOINT"], read_access_key(env)), name, base64=True)
    if (message := queue.receive(EVENT_WAIT_S)) is None:
        raise DemoFailed(f"no event in queue {name} within {EVENT_WAIT_S} s")
    queue.delete(message.handle)
    event: dict[str, Any] = json.loads(message.body)
    return event


@contextmanager
def _write_errors() -> Iterator[None]:
    """Raise OutputNotWritten with the name of the file."""
    try:
        yield
    except OSError as error:
        raise OutputNotWritten(f"{error.filename}: {error.strerror}; choose another folder with --keep") from error


def _clip_spans(plan: Plan) -> list[ClipSpan]:
    trims = (format_trim(clip.start_ms, clip.duration_ms) for clip in plan.clips)
    pairs = zip(plan.clips, trims, strict=True)
    return [ClipSpan(clip.key.rpartition("/")[2], clip.starts_at_s, clip.length_s, trim) for clip, trim in pairs]


def _write_step(command: CommandContext, what: str, detail: str) -> None:
    """Write what has happened, or without `what` the current stage; nothing for programs."""
    if not command.json:
        command.write_line(("✓ " if what else "  ", "green"), (f"{what:<13}", "bold"), detail)


def _write_result(result: DemoResult, command: CommandContext) -> None:
    command.write_line(("\nCompletion event, as received from the queue", "bold"))
    command.out.print_json(json.dumps(result.event), indent=2, ensure_ascii=False)
    command.write_line(("\nMerged audio", "bold"))
    command.write_line(draw(result.audio, _clip_spans(result.plan), command.out.width - 1), Text("\n"))
    samples = f"{len(result.audio.samples):,} samples at {result.audio.sample_rate:,} Hz"
    difference = f"{result.difference_s * 1000:+.0f} ms, the lead-in and last frame of AAC"
    lines = {
        "merged": str(result.file),
        "picture": str(result.picture),
        "measured": f"{result.audio.duration_s:.3f} s ({samples})",
        "": f"expected {result.plan.duration_s:.3f} s: {difference}",
        "listen for": 'clip one; "pre two, one"; clip three; "four" to "thirteen"; "ten" to "the end"',
        "elapsed": f"{result.elapsed_s:.1f} s from an empty cloud to this picture",
    }
    for name, value in lines.items():
        command.write_line((f"{name:<12}", "dim"), value)


def _as_json(result: DemoResult) -> dict[str, Any]:
    return {
        "event": result.event,
        "file": str(result.file),
        "picture": str(result.picture),
        "measured_s": round(result.audio.duration_s, 6),
        "expected_s": round(result.plan.duration_s, 6),
        "difference_ms": round(result.difference_s * 1000, 3),
        "elapsed_s": round(result.elapsed_s, 3),
    }
