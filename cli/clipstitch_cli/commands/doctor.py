"""`clipstitch doctor`: is everything in its place? Reads only; one line for each thing, with what repairs it."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from clipstitch.common.credentials import read_access_key
from clipstitch.common.errors import InvalidSettings
from clipstitch.usecases.settings import Settings, read_settings
from clipstitch_cli import exit_codes
from clipstitch_cli.connection import connected_environment, deployment_of, endpoint_of
from clipstitch_cli.context import CommandContext, visible
from clipstitch_cli.doctor.checks.all_checks import examine, only_settings
from clipstitch_cli.doctor.deployment_facts import Wanted, declared
from clipstitch_cli.doctor.findings import BAD, OK, SKIPPED, WARNING, Finding, bad, exit_code
from clipstitch_cli.errors import LocalCloudTrouble

if TYPE_CHECKING:
    from clipstitch.usecases.context import Context

ACCOUNT = "ALIBABA_CLOUD_ACCOUNT_ID"
STYLES = {OK: "green", WARNING: "yellow", BAD: "bold red", SKIPPED: "dim"}


def doctor(command: CommandContext, project: Path | None) -> int:
    """Look at everything, and say how it stands; trouble when something is bad."""
    findings = []
    for found in _findings(command, project):
        findings.append(found)
        if not command.json:
            tell(found, command)
    if command.json:
        command.hand_over([found._asdict() for found in findings])
    else:
        command.say(_sum(findings))
    return exit_code(findings)


def _findings(command: CommandContext, project: Path | None) -> Iterable[Finding]:
    """Connect as far as possible, then examine."""
    try:
        env = connected_environment(command.env, project)
        settings, key = read_settings(env), read_access_key(env)
    except (InvalidSettings, LocalCloudTrouble) as error:
        return only_settings(bad("settings", str(error), error.remedy))
    from clipstitch.bootstrap import build_context  # noqa: PLC0415 - brings the SDKs
    from clipstitch_cli.doctor.ask_cloud import CloudQuestions  # noqa: PLC0415 - likewise

    cloud: Context = build_context(env, clock=command.clock)
    fc, imm = endpoint_of("FC", env, settings), endpoint_of("IMM", env, settings)
    wanted = wanted_of(command, project, settings, key.id)
    unasked = {name: _unset(name) for name, endpoint in (("FC", fc), ("IMM", imm)) if not endpoint}
    return examine(CloudQuestions(cloud, key, fc, imm), wanted._replace(unasked=unasked), command.clock.now())


def _unset(service: str) -> str:
    return f"{service}_ENDPOINT is not set"


def wanted_of(command: CommandContext, project: Path | None, settings: Settings, key_id: str) -> Wanted:
    """Say how things are meant to be."""
    queue = command.env.get("CLIPSTITCH_DEAD_LETTER_QUEUE", "")
    try:
        deployment = deployment_of(project, {ACCOUNT: account_in(settings.mns_endpoint), **command.env})
    except LocalCloudTrouble as error:
        return Wanted(settings, key_id, dead_letters=queue, unread=str(error))
    arn = deployment.outputs.get("DeadLetterQueueArn", "")
    queue = queue or arn.partition("/queues/")[2].partition("/")[0]
    project_name = settings.imm_project or next(iter(deployment.projects), None)
    return Wanted(settings._replace(imm_project=project_name), key_id, declared(deployment), queue)


def account_in(mns_endpoint: str) -> str:
    """Return the account that SMQ's address begins with; the local cloud's where it names none.

    >>> account_in("https://1186202104331798.mns.cn-hangzhou.aliyuncs.com")
    '1186202104331798'
    """
    from localyun.deploy.project import DEFAULT_ACCOUNT  # noqa: PLC0415 - only where it is needed

    account, named, _ = mns_endpoint.rpartition("/")[2].partition(".mns.")
    return account if named else DEFAULT_ACCOUNT


def tell(found: Finding, command: CommandContext) -> None:
    """Show a finding in one line."""
    remedy = f" -> {visible(found.remedy)}" if found.remedy else ""
    command.say(
        Text.assemble(
            (f"{found.state:<8}", STYLES[found.state]), f"{found.name:<13}", visible(found.line), (remedy, "bold")
        )
    )


def _sum(findings: list[Finding]) -> Text:
    """Count what was found."""
    counts = {state: sum(found.state == state for found in findings) for state in (BAD, WARNING, SKIPPED)}
    named = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    return Text(named or "everything is in its place", "bold" if exit_code(findings) == exit_codes.TROUBLE else "")
