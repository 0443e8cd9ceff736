"""`clipstitch explain`: read any process string back in words. Needs no cloud, and imports none."""

from rich.table import Table
from rich.text import Text

from clipstitch.planning.process_string import Process, parse_process
from clipstitch_cli import exit_codes
from clipstitch_cli.context import CommandContext, visible
from clipstitch_cli.display import process_text
from clipstitch_cli.display.lint_process import slips


def explain(text: str, main: str, command: CommandContext) -> int:
    """Say what a process string does; `InvalidProcessString` when it cannot be read."""
    process = parse_process(text)
    found = slips(process)
    if command.json:
        command.hand_over({**process_text.as_json(process, main), "warnings": found})
        return exit_codes.OK
    command.say(process_text.headline(process), style="bold")
    command.out.print(clips_table(process, main))
    tell_output(process, command)
    for slip in found:
        command.say(Text.assemble(("warning: ", "bold yellow"), slip))
    return exit_codes.OK


def clips_table(process: Process, main: str) -> Table:
    """Lay out the clips in the order in which they will be heard."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for style in ("dim", "cyan", "", "dim"):
        table.add_column(style=style, overflow="fold")
    align = process.transcode.align or 0
    for part in process_text.parts(process, main):
        place = {"pre": "/pre", "sur": "/sur", "posted": "posted to"}[part.place]
        lends = ", lends defaults" if part.number == align + 1 else ""
        table.add_row(f"{part.number:>3}", visible(part.name), _taken(part, process), place + lends)
    return table


def _taken(part: process_text.Part, process: Process) -> str:
    """Say what is taken of a clip; a conversion trims its one object by the action's own parameters."""
    if process.action == "audio/convert":
        return process_text.trim_words(process.transcode.ss or 0, process.transcode.t or 0)
    return part.trim


def tell_output(process: Process, command: CommandContext) -> None:
    """Say what is made, where it goes, who is told."""
    transcode = process.transcode
    lines = [
        ("made", process_text.sound_words(transcode)),
        ("saved as", visible(process_text.saveas_words(process.saveas))),
    ]
    if process.action != "audio/convert" and (transcode.ss or transcode.t):
        lines.append(("trimmed", process_text.trim_words(transcode.ss or 0, transcode.t or 0)))
    told = f"topic {visible(process.topic)}" if process.topic is not None else "nobody"
    for name, value in (*lines, ("tells", told)):
        command.say(Text.assemble((f"  {name:<9}", "dim"), value))
