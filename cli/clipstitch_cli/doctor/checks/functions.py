"""Checks the deployed functions against s.yaml: existence, runtime, role, environment, failure destination. Pure."""

from collections.abc import Iterator

from clipstitch.common.errors import ClipstitchError, InvalidSettings
from clipstitch.usecases.settings import Settings, read_settings
from clipstitch_cli.doctor.deployment_facts import FunctionFacts
from clipstitch_cli.doctor.findings import Finding, bad, no_answer, warning

# The settings in which the shell and the functions must agree; otherwise they are different deployments.
SHARED = ("bucket", "completion_topic", "state_bucket", "state_prefix", "manifest_prefix", "result_prefix")
DEPLOY = "s deploy"


def function(declared: FunctionFacts, found: FunctionFacts | ClipstitchError | None) -> Iterator[Finding]:
    """Check that a declared function exists, with the declared runtime."""
    name, runtime = declared.name, declared.runtime
    if isinstance(found, ClipstitchError):
        yield no_answer("functions", found)
    elif found is None:
        yield bad("functions", f"there is no function {name}", DEPLOY)
    elif found.runtime != runtime:
        yield warning("functions", f"{name} runs on {found.runtime}, s.yaml says {runtime}", DEPLOY)


def environment(declared: FunctionFacts, deployed: FunctionFacts, settings: Settings) -> Iterator[Finding]:
    """Check that a function's settings are valid, and equal to those of s.yaml and of the shell.

    Values are not shown, because webhooks have secrets.
    """
    name, env, wanted = deployed.name, deployed.environment, declared.environment
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


def failure_destination(declared: FunctionFacts, deployed: FunctionFacts) -> Iterator[Finding]:
    """Check where events go that a function fails on; without a destination they are lost."""
    check, events, wanted = "failure destination", f"failed events of {deployed.name}", declared.on_failure
    if not deployed.on_failure and wanted:
        yield bad(check, f"{events} are lost: it has no failure destination", DEPLOY)
    elif deployed.on_failure != wanted:
        yield warning(check, f"{events} go to {deployed.on_failure}, s.yaml says {wanted}", DEPLOY)


def roles(declared: FunctionFacts, deployed: FunctionFacts) -> Iterator[Finding]:
    """Check the roles of a function and of its triggers' sources."""
    wanted = dict(_roles(declared))
    for owner, role in _roles(deployed):
        if not role:
            yield bad("roles", f"{owner} has no role, so it has no rights", DEPLOY)
        elif role != wanted.get(owner, role):
            yield warning("roles", f"{owner} has the role {role}, s.yaml says {wanted[owner]}", DEPLOY)


def _roles(one: FunctionFacts) -> Iterator[tuple[str, str]]:
    """Yield owners with their roles; ARNs in lower case, as Serverless Devs writes them."""
    yield one.name, one.role.lower()
    for trigger in one.triggers:
        if trigger.kind != "timer":
            yield f"{one.name}'s trigger {trigger.name}", trigger.role.lower()
