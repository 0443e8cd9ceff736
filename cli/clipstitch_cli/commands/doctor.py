"""`clipstitch doctor`: checks a deployment, one line per check, with the repair. Reads only, except with --live."""

import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from clipstitch.common.credentials import read_access_key
from clipstitch.common.errors import InvalidSettings
from clipstitch.usecases.settings import read_settings
from clipstitch_cli.connection import connected_environment, endpoint_of
from clipstitch_cli.context import CommandContext, visible
from clipstitch_cli.doctor.checks.all_checks import examine, only_settings
from clipstitch_cli.doctor.expected import expected_deployment
from clipstitch_cli.doctor.findings import BAD, OK, SKIPPED, WARNING, Finding, bad, exit_code
from clipstitch_cli.doctor.live.options import DEFAULTS, LiveOptions
from clipstitch_cli.errors import LocalCloudError
from clipstitch_cli.options import Json, Project, command_of, parse_duration

_LIVE = "Verify undocumented cloud behaviour on your account (incurs charges)."
_WITH_FUNCTIONS = "With --live: test the deployed functions, too; takes minutes."
STYLES = {OK: "green", WARNING: "yellow", BAD: "bold red", SKIPPED: "dim"}


def doctor(  # noqa: PLR0913, PLR0917 - one parameter per option
    ctx: typer.Context,
    _json: Json = False,
    live: Annotated[bool, typer.Option("--live", help=_LIVE)] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --live: do not ask before incurring charges.")] = False,
    report: Annotated[Path, typer.Option(help="With --live: the report; a .json is written, too.")] = DEFAULTS.report,
    unbound_bucket: Annotated[str, typer.Option(help="With --live: an existing bucket without an IMM project.")] = "",
    functions: Annotated[bool, typer.Option("--with-functions", help=_WITH_FUNCTIONS)] = False,
    wait: Annotated[str, typer.Option(help="With --live: how long to wait for answers, e.g. 30s.")] = "10m",
    dead_letter_wait: Annotated[str, typer.Option(help="How long to wait for a dead-letter message.")] = "5m",
    project: Project = None,
) -> int:
    """Check the deployment, and show what repairs it; without --live, reads only.

    Exit code 0 if everything is OK or there are only warnings, 3 if something is bad; with --live, 3 if an answer
    differs from the assumption, or something could not be removed.
    """
    if not live:
        return check_deployment(command_of(ctx), project)
    from clipstitch_cli.doctor.live.run import run_live  # noqa: PLC0415 - loads the SDKs

    waits = parse_duration("--wait", wait), parse_duration("--dead-letter-wait", dead_letter_wait)
    confirm = partial(typer.confirm, err=True) if sys.stdin.isatty() else None
    options = LiveOptions(yes, report, unbound_bucket, functions, *waits, confirm)
    return run_live(options, command_of(ctx), project)


def check_deployment(command: CommandContext, project: Path | None) -> int:
    """Make all checks and write their findings; return ERROR if something is bad."""
    findings = []
    for found in _findings(command, project):
        findings.append(found)
        if not command.json:
            _write_finding(found, command)
    if command.json:
        command.write_json([found._asdict() for found in findings])
    else:
        counts = {state: sum(found.state == state for found in findings) for state in (BAD, WARNING, SKIPPED)}
        summary = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
        command.write_line((summary or "everything is OK", "bold" if counts[BAD] else ""))
    return exit_code(findings)


def _findings(command: CommandContext, project: Path | None) -> Iterable[Finding]:
    try:
        env = connected_environment(command.env, project)
        settings, key = read_settings(env), read_access_key(env)
    except (InvalidSettings, LocalCloudError) as error:
        return only_settings(bad("settings", str(error), error.remedy))
    from clipstitch.bootstrap import build_context  # noqa: PLC0415 - loads the SDKs
    from clipstitch_cli.doctor.inspect_cloud import CloudInspector  # noqa: PLC0415 - likewise

    endpoints = {service: endpoint_of(service, env, settings) for service in ("FC", "IMM", "ROS")}
    missing = {name: f"{name}_ENDPOINT is not set" for name, endpoint in endpoints.items() if not endpoint}
    expected = expected_deployment(command, project, settings, key.id)._replace(not_inspected=missing)
    inspector = CloudInspector(build_context(env, clock=command.clock), key, *endpoints.values())
    return examine(inspector, expected, command.clock.now())


def _write_finding(found: Finding, command: CommandContext) -> None:
    remedy = f" -> {visible(found.remedy)}" if found.remedy else ""
    state, name = (f"{found.state:<8}", STYLES[found.state]), f"{found.name:<20}"
    command.write_line(state, name, visible(found.message), (remedy, "bold"))
