"""A process string for people: its clips as a table, its output as lines."""

from rich.table import Table

from clipstitch.planning.process_string import Process
from clipstitch_cli.context import CommandContext, visible
from clipstitch_cli.display import process_text

_PLACES = {"pre": "/pre", "sur": "/sur", "posted": "primary source"}


def clips_table(process: Process, main: str) -> Table:
    """Return the clips in the order of the output, one row each."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for style in ("dim", "cyan", "", "dim"):
        table.add_column(style=style, overflow="fold")
    align = process.transcode.align or 0
    for clip in process_text.clip_texts(process, main):
        trim = process_text.output_trim(process) if process_text.is_conversion(process) else clip.trim
        defaults = ", sets defaults" if clip.number == align + 1 else ""
        table.add_row(f"{clip.number:>3}", visible(clip.name), trim, _PLACES[clip.place] + defaults)
    return table


def write_output(process: Process, command: CommandContext) -> None:
    """Write the output's format, where it is saved, and which topic is notified."""
    lines = {
        "output": process_text.format_transcode(process.transcode),
        "saved as": visible(process_text.format_saveas(process.saveas)),
    }
    if not process_text.is_conversion(process) and (process.transcode.ss or process.transcode.t):
        lines["trimmed"] = process_text.output_trim(process)
    lines["notifies"] = f"topic {visible(process.topic)}" if process.topic is not None else "no topic"
    for name, value in lines.items():
        command.write_line((f"  {name:<9}", "dim"), value)
