"""`clipstitch explain`: describes a process string in words. Needs no cloud, and imports no SDK."""

from typing import Annotated

import typer

from clipstitch.planning.process_string import parse_process
from clipstitch_cli import exit_codes
from clipstitch_cli.display import process_text
from clipstitch_cli.display.lint_process import lint_warnings
from clipstitch_cli.display.process_table import clips_table, write_output
from clipstitch_cli.options import Json, command_of


def explain(
    ctx: typer.Context,
    process: Annotated[str, typer.Argument(help="A process string: audio/concat,... or audio/convert,...")],
    main: Annotated[str, typer.Option(help="Key of the object that it is posted to.")] = "",
    _json: Json = False,
) -> int:
    """Describe a process string in words, and warn of likely errors."""
    command, parsed = command_of(ctx), parse_process(process)
    warnings = lint_warnings(parsed)
    if command.json:
        command.write_json({**process_text.as_json(parsed, main), "warnings": warnings})
        return exit_codes.OK
    command.write_line((process_text.headline(parsed), "bold"))
    command.out.print(clips_table(parsed, main))
    write_output(parsed, command)
    for warning in warnings:
        command.write_line(("warning: ", "bold yellow"), warning)
    return exit_codes.OK
