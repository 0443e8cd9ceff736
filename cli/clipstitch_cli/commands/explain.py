"""`clipstitch explain`: describes a process string in words. Needs no cloud, and imports no SDK."""

from typing import Annotated

import typer

from clipstitch.planning.process_string import parse_process
from clipstitch_cli import exit_codes
from clipstitch_cli.display import process_text
from clipstitch_cli.display.lint_process import lint
from clipstitch_cli.display.process_table import clips_table, write_output
from clipstitch_cli.options import Json, command_of


def explain(
    ctx: typer.Context,
    process: Annotated[str, typer.Argument(help="A process string: audio/concat,... or audio/convert,...")],
    main: Annotated[str, typer.Option(help="Key of the object that it is posted to.")] = "",
    _json: Json = False,
) -> int:
    """Describe a process string in words, with what OSS would refuse, and likely errors."""
    command, parsed = command_of(ctx), parse_process(process)
    findings = lint(parsed)
    refused = any(finding.refused for finding in findings)
    if command.json:
        warnings = [finding.text for finding in findings]
        command.write_json({**process_text.as_json(parsed, main), "warnings": warnings, "refused": refused})
        return exit_codes.REJECTED if refused else exit_codes.OK
    command.write_line((process_text.headline(parsed), "bold"))
    command.out.print(clips_table(parsed, main))
    write_output(parsed, command)
    for finding in findings:
        command.write_line(("error: ", "bold red") if finding.refused else ("warning: ", "bold yellow"), finding.text)
    return exit_codes.REJECTED if refused else exit_codes.OK
