"""`clipstitch plan`: what a manifest would do, before it is done. Writes nothing, anywhere."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from clipstitch.common.identifiers import ManifestRef, ObjectRef, job_id_of
from clipstitch.manifest.documents import MAX_BYTES
from clipstitch.manifest.model import Glob
from clipstitch.manifest.parse import parse
from clipstitch.planning.plan import PlacedClip, Plan, Step
from clipstitch.planning.process_string import parse_process
from clipstitch.usecases.context import Context
from clipstitch.usecases.settings import Settings
from clipstitch.usecases.submit import plan_for
from clipstitch_cli import exit_codes
from clipstitch_cli.commands.explain import clips_table, tell_output
from clipstitch_cli.connection import connect
from clipstitch_cli.context import CommandContext, visible
from clipstitch_cli.costs import estimates
from clipstitch_cli.costs.estimates import Estimate, estimate
from clipstitch_cli.costs.prices import NOTES, PriceList, read_prices
from clipstitch_cli.display import process_text
from clipstitch_cli.display.plan_tree import Drawing, levels_of, quiet_lines
from clipstitch_cli.errors import NoSuchFile, Usage

# A plan with more than that is shortened, unless everything is asked for; --json has all of it always.
MOST_CLIPS, FIRST_CLIPS, LAST_CLIPS, MOST_STEPS = 20, 12, 5, 3


class Look(NamedTuple):
    """How a plan is to be shown: all of it, or shortened; and with which prices."""

    everything: bool = False
    prices: PriceList = PriceList()


class Subject(NamedTuple):
    """A manifest to plan. `uploaded`: it is an object already, so that its job has a name."""

    job_id: str
    manifest: ManifestRef
    body: bytes
    uploaded: bool


def plan(
    manifest: str,
    command: CommandContext,
    project: Path | None,
    *,
    everything: bool = False,
    prices: Path | None = None,
) -> int:
    """Show the plan of a manifest; `InvalidManifest` with every issue when there can be none."""
    look = Look(everything, read_prices(prices))
    return plan_in(connect(command, project), manifest, command, look)


def plan_in(cloud: Context, manifest: str, command: CommandContext, look: Look | None = None) -> int:
    """Show the plan of a manifest in a cloud."""
    look = look or Look()
    subject = _subject(manifest, cloud)
    made = plan_for(subject.job_id, subject.manifest, subject.body, cloud)
    guess = estimate(made, _globs(subject, cloud), look.prices)
    if command.json:
        command.hand_over(as_json(made, subject, guess))
    else:
        _tell(made, subject, cloud.settings, command, look)
        _tell_estimate(guess, command)
    return exit_codes.OK


def _globs(subject: Subject, cloud: Context) -> int:
    """Count the globs of a manifest: each is a listing."""
    parsed = parse(subject.body, subject.manifest.ref, cloud.settings.limits)
    return sum(isinstance(clip, Glob) for clip in parsed.clips)


def _subject(manifest: str, cloud: Context) -> Subject:
    """Read the manifest: an object, or a file as if it were uploaded now."""
    if manifest.startswith("oss://"):
        return _object(manifest, cloud)
    path = Path(manifest)
    body = read_file(path)
    etag = hashlib.md5(body, usedforsecurity=False).hexdigest().upper()
    ref = ManifestRef(ObjectRef(cloud.settings.bucket, cloud.settings.manifest_prefix + path.name), etag)
    return Subject(job_id_of(ref, cloud.clock.now()), ref, body, uploaded=False)


def _object(uri: str, cloud: Context) -> Subject:
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


def as_json(made: Plan, subject: Subject, guess: Estimate) -> dict[str, object]:
    """Return a plan as programs read it; a file's job has no name yet."""
    levels = levels_of(made.steps)
    steps = [
        {**step, "level": levels[step["number"]], "words": process_text.as_json(parse_process(step["process"]))}
        for step in made.as_json()["steps"]
    ]
    return {
        **made.as_json(),
        "job_id": made.job_id if subject.uploaded else None,
        "steps": steps,
        "levels": made.levels,
        "expected_duration_ms": round(made.duration_s * 1000),
        "estimates": estimates.as_json(guess),
    }


def _tell(made: Plan, subject: Subject, settings: Settings, command: CommandContext, look: Look) -> None:
    """Show a plan to people."""
    command.say(Text.assemble(("Plan of ", "bold"), visible(made.manifest.ref.uri), (", nothing is written", "dim")))
    command.out.print(_clips(made, everything=look.everything))
    for line in quiet_lines(made, everything=look.everything):
        command.say(Text.assemble(("Silence made: ", "bold"), line))
    if len(made.steps) > 1:
        command.out.print(Drawing(made, everything=look.everything).tree())
    if look.everything or len(made.steps) <= MOST_STEPS:
        for step in made.steps:
            _tell_step(step, len(made.steps), command)
    else:
        command.say("The requests as OSS reads them: --all, or --json.", style="dim")
    _tell_output(made, settings, command)
    if not subject.uploaded:
        command.say("The job, and with it the name of the work object, gets its id from the upload.", style="dim")


def _clips(made: Plan, *, everything: bool) -> Table:
    """Lay out the clips with their times in the merged whole; of many, the first and the last."""
    table = Table("", "clip", "taken", "starts at", "length", box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.columns[1].overflow = "fold"
    rows = list(enumerate(made.clips, start=1))
    if everything or len(rows) <= MOST_CLIPS:
        _add_clips(table, rows)
    else:
        _add_clips(table, rows[:FIRST_CLIPS])
        table.add_row("  …", Text(f"{len(rows) - FIRST_CLIPS - LAST_CLIPS} more; --all shows them", "dim"))
        _add_clips(table, rows[-LAST_CLIPS:])
    return table


def _add_clips(table: Table, rows: list[tuple[int, PlacedClip]]) -> None:
    """Add some clips, by their number."""
    for number, clip in rows:
        taken = process_text.trim_words(clip.start_ms, clip.duration_ms)
        times = (process_text.seconds(clip.starts_at_s * 1000), process_text.seconds(clip.length_s * 1000))
        table.add_row(f"{number:>3}", Text(visible(clip.key) or "(silence)", "cyan"), taken, *times)


def _tell_estimate(guess: Estimate, command: CommandContext) -> None:
    """Show what the plan will take, as far as can be told beforehand."""
    asked, levels = guess.requests, "level" if guess.levels == 1 else "levels"
    kinds = f"{asked.get} GET, {asked.head} HEAD, {asked.listing} list, {asked.put} PUT, {asked.post} POST"
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    table.add_row("duration", process_text.seconds(guess.duration_s * 1000))
    table.add_row("size", f"about {_bytes(guess.size.size)}, at {guess.size.assumes}")
    table.add_row(
        "tasks", f"{guess.tasks} in {guess.levels} {levels}, {process_text.seconds(guess.processed_s * 1000)} of audio"
    )
    table.add_row("OSS", f"{asked.oss} requests: {kinds}")
    table.add_row("SMQ", f"{asked.smq} requests: {asked.events} for events, {asked.notices} for notices of IMM")
    table.add_row("cost", _total(guess))
    for cost in guess.costs:
        if cost.amount is not None:
            source = f"{cost.price.source}, {cost.price.dated}"
            table.add_row("", f"{cost.price.item}: {cost.amount:.6f} {guess.currency} ({source})")
    table.add_row("", f"not included: {', '.join(guess.left_out)}")
    for name, note in NOTES.items():
        if any(cost.price.name == name and cost.amount is None for cost in guess.costs):
            table.add_row("", Text(f"{_item(guess, name)}: {note}", "dim"))
    command.say(Text.assemble(("Estimate", "bold"), (", if nothing goes wrong", "dim")))
    command.out.print(Padding(table, (0, 0, 0, 2), expand=False))


def _item(guess: Estimate, name: str) -> str:
    """Say what a price is for."""
    return next(cost.price.item for cost in guess.costs if cost.price.name == name)


def _total(guess: Estimate) -> str:
    """Say the sum, or that there is none."""
    if guess.total is None:
        return "not known: the table of prices has none of them; give your own with --prices"
    return f"about {guess.total:.6f} {guess.currency}"


def _bytes(size: int) -> str:
    """Write a size.

    >>> _bytes(900), _bytes(57_600_000)
    ('900 bytes', '57.6 MB')
    """
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size:,} bytes"


def _tell_step(step: Step, count: int, command: CommandContext) -> None:
    """Show a step: the request as OSS reads it, and its meaning."""
    process = parse_process(step.process)
    command.say(Text.assemble((f"Step {step.number + 1} of {count}: ", "bold"), f"post to {visible(step.main.uri)}"))
    command.say(f"  {visible(step.process)}", style="green")
    command.out.print(clips_table(process, step.main.key))
    tell_output(process, command)


def _tell_output(made: Plan, settings: Settings, command: CommandContext) -> None:
    """Show what comes out, and who hears of it."""
    channels = process_text.channel_words(made.output.channels)
    sound = f"{made.output.format}, {made.output.sample_rate:,} Hz, {channels}"
    command.say(Text.assemble(("Output: ", "bold"), f"{visible(made.output.ref.uri)} ({sound})"))
    command.say(Text.assemble(("Expected duration: ", "bold"), process_text.seconds(made.duration_s * 1000)))
    for remark in made.warnings:
        command.say(Text.assemble(("remark: ", "bold yellow"), remark))
    result = ObjectRef(made.manifest.ref.bucket, f"{settings.result_prefix}{made.manifest.ref.key}.json")
    told = [f"{name} ({sink.kind} {sink.target})" for name in made.sinks if (sink := settings.sink(name))]
    command.say(Text.assemble(("Tells: ", "bold"), visible(", ".join([*told, f"the result object {result.uri}"]))))
