"""A plan for people: its clips as a table, its steps as a tree and as requests, its output and its sinks."""

from rich.table import Table
from rich.text import Text

from clipstitch.planning.plan import PlacedClip, Plan
from clipstitch.planning.process_string import parse_process
from clipstitch.planning.render_spec import spec_of
from clipstitch.usecases.settings import Settings
from clipstitch_cli.context import CommandContext, visible
from clipstitch_cli.display import process_text
from clipstitch_cli.display.plan_tree import PlanTree, silence_lines
from clipstitch_cli.display.process_table import clips_table, write_output
from clipstitch_cli.display.render_text import format_spec

# A plan that has more is shortened, unless everything is wanted; --json always has everything.
MAX_CLIPS, FIRST_CLIPS, LAST_CLIPS, MAX_STEPS = 20, 12, 5, 3


def write_plan(plan: Plan, settings: Settings, command: CommandContext, *, everything: bool) -> None:
    """Write a plan, shortened unless `everything`."""
    command.write_line(("Plan of ", "bold"), visible(plan.manifest.ref.uri), (", nothing is written", "dim"))
    command.out.print(_clips_table(plan, everything=everything))
    for line in silence_lines(plan, everything=everything):
        command.write_line(("Silence created: ", "bold"), line)
    if len(plan.steps) > 1:
        command.out.print(PlanTree(plan, everything=everything).tree())
    if everything or len(plan.steps) <= MAX_STEPS:
        _write_requests(plan, command)
    else:
        command.write_line(("Use --all or --json to show the requests.", "dim"))
    _write_result(plan, settings, command)


def _clips_table(plan: Plan, *, everything: bool) -> Table:
    table = Table("", "clip", "used", "starts at", "length", box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.columns[1].overflow = "fold"
    rows = list(enumerate(plan.clips, 1))
    if everything or len(rows) <= MAX_CLIPS:
        _add_clips(table, rows)
    else:
        _add_clips(table, rows[:FIRST_CLIPS])
        table.add_row("  …", Text(f"{len(rows) - FIRST_CLIPS - LAST_CLIPS} more; --all shows them", "dim"))
        _add_clips(table, rows[-LAST_CLIPS:])
    return table


def _add_clips(table: Table, rows: list[tuple[int, PlacedClip]]) -> None:
    for number, clip in rows:
        trim = process_text.format_trim(clip.start_ms, clip.duration_ms)
        times = (process_text.format_ms(seconds * 1000) for seconds in (clip.starts_at_s, clip.length_s))
        table.add_row(f"{number:>3}", Text(visible(clip.key) or "(silence)", "cyan"), trim, *times)


def _write_requests(plan: Plan, command: CommandContext) -> None:
    for step in plan.steps:
        heading = (f"Step {step.number + 1} of {len(plan.steps)}: ", "bold")
        if step.render:
            command.write_line(heading, "render")
            for line in format_spec(spec_of(step)):
                command.write_line(f"  {line}")
            continue
        process = parse_process(step.process)
        command.write_line(heading, f"post to {visible(step.main.uri)}")
        command.write_line((f"  {visible(step.process)}", "green"))
        command.out.print(clips_table(process, step.main.key))
        write_output(process, command)


def _write_result(plan: Plan, settings: Settings, command: CommandContext) -> None:
    output = plan.output
    audio = f"{output.format}, {output.sample_rate:,} Hz, {process_text.format_channels(output.channels)}"
    command.write_line(("Output: ", "bold"), f"{visible(output.ref.uri)} ({audio})")
    command.write_line(("Expected duration: ", "bold"), process_text.format_ms(plan.duration_s * 1000))
    for warning in plan.warnings:
        command.write_line(("warning: ", "bold yellow"), warning.message)
    sinks = [f"{name} ({sink.kind} {sink.target})" for name in plan.sinks if (sink := settings.sink(name))]
    result = f"the result object {settings.result_ref(plan.manifest.ref).uri}"
    command.write_line(("Notifies: ", "bold"), visible(", ".join([*sinks, result])))
