"""Judges functions against what is declared: there, runtime, role, environment, failure destination. Asks nobody."""

from collections.abc import Iterator, Mapping, Sequence

from clipstitch.common.errors import ClipstitchError, InvalidSettings
from clipstitch.usecases.settings import Settings, read_settings
from clipstitch_cli.doctor.deployment_facts import Function
from clipstitch_cli.doctor.findings import Finding, bad, ok, unanswered, warning

Found = Mapping[str, Function | ClipstitchError | None]
# Where the shell and the functions must agree, or we look at another stack than they work on.
SHARED = ("bucket", "completion_topic", "state_bucket", "state_prefix", "manifest_prefix", "result_prefix")
DEPLOY = "s deploy"


def functions(wanted: Sequence[Function], found: Found) -> Iterator[Finding]:
    """Judge whether every declared function is there, as declared."""
    troubles = [trouble for one in wanted for trouble in _function(one, found[one.name])]
    yield from troubles or [ok("functions", f"{_names(wanted)} are there")]


def _function(wanted: Function, found: Function | ClipstitchError | None) -> Iterator[Finding]:
    """Compare one function with its declaration."""
    if isinstance(found, ClipstitchError):
        yield unanswered("functions", found)
    elif found is None:
        yield bad("functions", f"there is no function {wanted.name}", DEPLOY)
    elif found.runtime != wanted.runtime:
        yield warning("functions", f"{wanted.name} runs on {found.runtime}, s.yaml says {wanted.runtime}", DEPLOY)


def environment(wanted: Sequence[Function], found: Sequence[Function], settings: Settings) -> Iterator[Finding]:
    """Judge whether the functions can read their settings, and have the ones that s.yaml and the shell have."""
    declared = {one.name: one.environment for one in wanted}
    troubles = [trouble for one in found for trouble in _environment(one, declared[one.name], settings)]
    yield from troubles or [ok("environment", f"{_names(found)} have the settings of s.yaml")]


def _environment(found: Function, wanted: Mapping[str, str], settings: Settings) -> Iterator[Finding]:
    """Judge one function's settings. Values are not shown: webhooks have secrets."""
    try:
        theirs = read_settings(found.environment)
    except InvalidSettings as error:
        yield bad("environment", f"{found.name} cannot read its settings: {error}", DEPLOY)
        return
    names = sorted(name for name in {*wanted, *found.environment} if wanted.get(name) != found.environment.get(name))
    if names:
        yield warning("environment", f"{found.name} has other values than s.yaml for {', '.join(names)}", DEPLOY)
    for name in (name for name in SHARED if getattr(theirs, name) != getattr(settings, name)):
        line = f"{found.name} works with {name} {getattr(theirs, name)!r}, this shell with {getattr(settings, name)!r}"
        yield warning("environment", line, f"export CLIPSTITCH_{name.upper()}={getattr(theirs, name) or ''}")


def destinations(wanted: Sequence[Function], found: Sequence[Function]) -> Iterator[Finding]:
    """Judge where events go that a function failed on: nowhere means that they are lost."""
    declared = {one.name: one.on_failure for one in wanted}
    troubles = [trouble for one in found if (trouble := _destination(one, declared[one.name]))]
    yield from troubles or [ok("give-ups", f"what {_names(found)} fail on goes where s.yaml says")]


def _destination(found: Function, wanted: str) -> Finding | None:
    """Judge one function's failure destination."""
    if found.on_failure == wanted:
        return None
    if not found.on_failure:
        return bad("give-ups", f"what {found.name} fails on is lost: it has no failure destination", DEPLOY)
    return warning("give-ups", f"what {found.name} fails on goes to {found.on_failure}, s.yaml says {wanted}", DEPLOY)


def roles(wanted: Sequence[Function], found: Sequence[Function]) -> Iterator[Finding]:
    """Judge the functions' roles, and those that their triggers' sources invoke with."""
    declared = dict(_roles(wanted))
    troubles = [trouble for who, role in _roles(found) if (trouble := _role(who, role, declared.get(who, role)))]
    yield from troubles or [ok("roles", f"{_names(found)} and their triggers have the roles of s.yaml")]


def _roles(functions: Sequence[Function]) -> Iterator[tuple[str, str]]:
    """Name who has which role; ARNs in lower case, as Serverless Devs writes them."""
    for one in functions:
        yield one.name, one.role.lower()
        yield from (
            (f"{one.name}'s trigger {trigger.name}", trigger.role.lower())
            for trigger in one.triggers
            if trigger.kind != "timer"
        )


def _role(who: str, role: str, wanted: str) -> Finding | None:
    """Judge one role."""
    if not role:
        return bad("roles", f"{who} has no role, so it may do nothing", DEPLOY)
    if role != wanted:
        return warning("roles", f"{who} has the role {role}, s.yaml says {wanted}", DEPLOY)
    return None


def _names(functions: Sequence[Function]) -> str:
    return ", ".join(one.name for one in functions)
