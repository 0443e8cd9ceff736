"""Checks the deployed functions against s.yaml: existence, runtime, role, environment, failure destination. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from clipstitch.common.errors import ClipstitchError, InvalidSettings
from clipstitch.usecases.settings import Settings, read_settings
from clipstitch_cli.doctor.deployment_facts import FunctionFacts
from clipstitch_cli.doctor.findings import Finding, bad, no_answer, ok, warning

# The settings in which the shell and the functions must agree; otherwise they are different deployments.
SHARED = ("bucket", "completion_topic", "state_bucket", "state_prefix", "manifest_prefix", "result_prefix")
DEPLOY = "s deploy"


def functions(
    declared: Sequence[FunctionFacts], found: Mapping[str, FunctionFacts | ClipstitchError | None]
) -> Iterator[Finding]:
    """Check that every declared function exists, with the declared runtime."""
    findings = [finding for one in declared for finding in _function(one, found[one.name])]
    yield from findings or [ok("functions", f"{_names(declared)} exist")]


def _function(declared: FunctionFacts, found: FunctionFacts | ClipstitchError | None) -> Iterator[Finding]:
    name, runtime = declared.name, declared.runtime
    if isinstance(found, ClipstitchError):
        yield no_answer("functions", found)
    elif found is None:
        yield bad("functions", f"there is no function {name}", DEPLOY)
    elif found.runtime != runtime:
        yield warning("functions", f"{name} runs on {found.runtime}, s.yaml says {runtime}", DEPLOY)


def environment(
    declared: Sequence[FunctionFacts], deployed: Sequence[FunctionFacts], settings: Settings
) -> Iterator[Finding]:
    """Check that the functions' settings are valid, and equal to those of s.yaml and of the shell."""
    wanted = {one.name: one.environment for one in declared}
    findings = [finding for one in deployed for finding in _environment(one, wanted[one.name], settings)]
    yield from findings or [ok("environment", f"{_names(deployed)} have the settings of s.yaml")]


def _environment(deployed: FunctionFacts, wanted: Mapping[str, str], settings: Settings) -> Iterator[Finding]:
    """Check one function's settings. Values are not shown, because webhooks have secrets."""
    name, env = deployed.name, deployed.environment
    try:
        used = read_settings(env)
    except InvalidSettings as error:
        yield bad("environment", f"{name} has invalid settings: {error}", DEPLOY)
        return
    if names := sorted(key for key in {*wanted, *env} if wanted.get(key) != env.get(key)):
        yield warning("environment", f"{name} has other values than s.yaml for {', '.join(names)}", DEPLOY)
    for field in SHARED:
        theirs, shell = getattr(used, field), getattr(settings, field)
        if theirs != shell:
            message = f"{name} uses {field} {theirs!r}, this shell {shell!r}"
            yield warning("environment", message, f"export CLIPSTITCH_{field.upper()}={theirs or ''}")


def failure_destinations(declared: Sequence[FunctionFacts], deployed: Sequence[FunctionFacts]) -> Iterator[Finding]:
    """Check where events go that a function fails on; without a destination they are lost."""
    check, wanted = "failure destination", {one.name: one.on_failure for one in declared}
    findings = []
    for one in deployed:
        if not one.on_failure and wanted[one.name]:
            findings.append(bad(check, f"failed events of {one.name} are lost: it has no failure destination", DEPLOY))
        elif one.on_failure != wanted[one.name]:
            message = f"failed events of {one.name} go to {one.on_failure}, s.yaml says {wanted[one.name]}"
            findings.append(warning(check, message, DEPLOY))
    yield from findings or [ok(check, f"failed events of {_names(deployed)} go where s.yaml says")]


def roles(declared: Sequence[FunctionFacts], deployed: Sequence[FunctionFacts]) -> Iterator[Finding]:
    """Check the roles of the functions and of their triggers' sources."""
    wanted = dict(_roles(declared))
    findings = []
    for owner, role in _roles(deployed):
        if not role:
            findings.append(bad("roles", f"{owner} has no role, so it has no rights", DEPLOY))
        elif role != wanted.get(owner, role):
            findings.append(warning("roles", f"{owner} has the role {role}, s.yaml says {wanted[owner]}", DEPLOY))
    yield from findings or [ok("roles", f"{_names(deployed)} and their triggers have the roles of s.yaml")]


def _roles(functions: Sequence[FunctionFacts]) -> Iterator[tuple[str, str]]:
    """Yield owners with their roles; ARNs in lower case, as Serverless Devs writes them."""
    for one in functions:
        yield one.name, one.role.lower()
        for trigger in one.triggers:
            if trigger.kind != "timer":
                yield f"{one.name}'s trigger {trigger.name}", trigger.role.lower()


def _names(functions: Sequence[FunctionFacts]) -> str:
    return ", ".join(one.name for one in functions)
