"""All checks in their order. A failed check skips only those that depend on it, and they say so."""

from collections.abc import Callable, Generator, Iterable, Iterator
from datetime import datetime
from functools import partial
from itertools import starmap
from typing import NamedTuple

from clipstitch.common.errors import ClipstitchError
from clipstitch.usecases.settings import Settings
from clipstitch_cli.doctor import deployment_facts as facts
from clipstitch_cli.doctor.checks import functions, jobs, messages, stack, storage, triggers
from clipstitch_cli.doctor.findings import OK, Finding, all_or_ok, checked, ok, result_of, skipped


class Check(NamedTuple):
    """A check: its name, what it inspects, and what repairs it, as docs/doctor.md lists them."""

    name: str
    inspects: str
    remedy: str


CHECKS = (
    Check("settings", "the environment, as `docs/settings.md` describes it", "set the variables that are named"),
    Check("clock", "this machine's clock against the `Date` of an OSS answer", "`sudo timedatectl set-ntp true`"),
    Check("access key", "whether OSS accepts it", "set `OSS_ACCESS_KEY_ID`, `…_SECRET` and `OSS_SESSION_TOKEN`"),
    Check(
        "stack",
        "the state of the ROS stack `CLIPSTITCH_PREFIX`, if there is one",
        "`s infra remove && s deploy` after a failed creation, otherwise `s deploy`",
    ),
    Check("bucket", "whether `CLIPSTITCH_BUCKET` exists", "`s deploy`"),
    Check("region", "the bucket's region against `OSS_REGION`", "`OSS_REGION=… s deploy`, or `export OSS_REGION=…`"),
    Check(
        "versioning",
        "the buckets for manifests, state and outputs",
        "`CLIPSTITCH_BUCKET=… s deploy`: a bucket that never had it",
    ),
    Check("binding", "the bucket's IMM project against `CLIPSTITCH_IMM_PROJECT`", "`aliyun imm AttachOSSBucket …`"),
    Check(
        "endpoint",
        "whether `OSS_ENDPOINT` accepts data calls, by listing one object",
        "`export OSS_ENDPOINT=…`: a domain of yours, or the `-internal` endpoint; or another region",
    ),
    Check("topic", "the topic to which IMM sends completion notifications", "`aliyun mns-open CreateTopic …`"),
    Check("sinks", "the topics and queues of `CLIPSTITCH_SINKS`", "`aliyun mns-open CreateTopic …`, `CreateQueue …`"),
    Check("dead letters", "the number of dead-letter messages, and their age", "`clipstitch retry --dead-letters`"),
    Check("functions", "whether the functions of `s.yaml` exist, and their runtime", "`s deploy`"),
    Check("environment", "the functions' settings against `s.yaml` and the shell", "`s deploy`, or `export …`"),
    Check("failure destination", "where Function Compute sends events that failed finally", "`s deploy`"),
    Check("roles", "the roles of functions and of triggers' sources", "`s deploy`"),
    Check("triggers", "the deployed triggers against `s.yaml`", "`s deploy`"),
    Check(
        "loops",
        "whether a trigger fires for objects that clipstitch writes, for parts of uploads, or for no manifests",
        "`s deploy`",
    ),
    Check("open jobs", "how many there are, how old, and past their deadline", "`clipstitch show JOB`"),
    Check("webhooks", "receivers that answered 410 Gone", "`ossutil rm oss://…/sinks/NAME.off`"),
)
_FUNCTION_CHECKS = ("functions", "environment", "failure destination", "roles", "triggers", "loops")
_STATE_CHECKS = ("open jobs", "webhooks")
Inspections = dict[str, Callable[[str], bool | facts.QueueFacts | None]]
Home = facts.BucketFacts | ClipstitchError | None


def only_settings(finding: Finding) -> list[Finding]:
    """Return a finding about the settings, and all other checks as skipped."""
    return [finding, *_skip_after("settings", "the settings are incomplete")]


def _skip_after(name: str, reason: str) -> list[Finding]:
    names = [check.name for check in CHECKS]
    return _skip(names[names.index(name) + 1 :], reason)


def _skip(names: "tuple[str, ...] | list[str]", reason: str) -> list[Finding]:
    return [skipped(name, reason) for name in names]


def examine(inspector: facts.Inspector, expected: facts.ExpectedDeployment, now: datetime) -> Iterator[Finding]:
    """Make all checks; yield each finding as soon as it is known."""
    settings = expected.settings
    yield ok("settings", f"complete, for bucket {settings.bucket} in {settings.oss_region}")
    yield from checked("clock", inspector.clock_skew, storage.clock)
    home = result_of(partial(inspector.bucket, settings.bucket))
    yield storage.access_key(home, expected.key_id)
    if isinstance(home, facts.AccessKeyRejected):
        yield from _skip_after("access key", "the access key is rejected")
        return
    failed = yield from _stack(home, inspector, expected)
    if failed:
        yield from _skip_after("stack", "the stack has to be deleted first")
        return
    yield from _buckets(home, inspector, settings)
    yield from _binding(home, inspector, expected)
    if isinstance(home, facts.RegionMismatch):  # s.yaml was read for the wrong region, too
        yield from _skip_after("binding", "the region is wrong")
        return
    data_calls = _endpoint(home, inspector, settings)
    yield data_calls
    yield from _messages(inspector, expected, now)
    yield from _functions(inspector, expected)
    yield from _state(home, inspector, settings, now, data_calls)


def _stack(
    home: Home, inspector: facts.Inspector, expected: facts.ExpectedDeployment
) -> Generator[Finding, None, bool]:
    """Yield the finding about the stack; return True if nothing can be repaired before the stack is deleted."""
    settings, name = expected.settings, expected.stack
    reason = "the region is wrong" if isinstance(home, facts.RegionMismatch) else expected.not_inspected.get("ROS")
    if reason:
        yield skipped("stack", reason)
        return False
    found, project = result_of(partial(inspector.stack, name)), None
    failed = stack.must_be_deleted(found)
    if failed and "IMM" not in expected.not_inspected:
        project = result_of(partial(inspector.imm_project, settings.bucket))
    yield stack.stack(found, name, settings, home, project)
    return failed


def _buckets(home: Home, inspector: facts.Inspector, settings: Settings) -> Iterator[Finding]:
    name = settings.bucket
    yield storage.bucket(name, home, settings)
    yield storage.region(name, home, settings) or skipped("region", f"bucket {name} is unknown")
    others = dict.fromkeys(filter(None, (settings.state_bucket, *settings.output_buckets)))
    found = {other: result_of(partial(inspector.bucket, other)) for other in others if other != name}
    for other, bucket in found.items():
        yield storage.bucket(other, bucket, settings)
        yield from filter(None, [storage.region(other, bucket, settings)])
    versioning = list(storage.versioning({name: home, **found}, settings))
    yield from versioning or [skipped("versioning", f"bucket {name} is unknown")]


def _unreachable(home: Home, settings: Settings) -> str:
    """Return why nothing in the bucket can be inspected; "" if it can."""
    if not isinstance(home, facts.BucketFacts):
        return f"bucket {settings.bucket} is unknown"
    return "the bucket is in another region" if home.region != settings.oss_region else ""


def _binding(home: Home, inspector: facts.Inspector, expected: facts.ExpectedDeployment) -> Iterator[Finding]:
    settings = expected.settings
    if reason := _unreachable(home, settings) or expected.not_inspected.get("IMM"):
        yield skipped("binding", reason)
    else:
        inspect = partial(inspector.imm_project, settings.bucket)
        yield from checked("binding", inspect, partial(storage.binding, settings=settings))


def _endpoint(home: Home, inspector: facts.Inspector, settings: Settings) -> Finding:
    if reason := _unreachable(home, settings):
        return skipped("endpoint", reason)
    return storage.endpoint(result_of(partial(inspector.list_one, settings.bucket)), settings)


def _messages(inspector: facts.Inspector, expected: facts.ExpectedDeployment, now: datetime) -> Iterator[Finding]:
    settings, name = expected.settings, expected.dead_letter_queue
    inspect_topic = partial(inspector.has_topic, settings.completion_topic)
    yield from checked("topic", inspect_topic, partial(messages.topic, settings=settings))
    inspections: Inspections = {"topic": inspector.has_topic, "queue": inspector.queue}
    inspected = [sink for sink in settings.sinks if sink.kind in inspections]
    found = {sink: result_of(partial(inspections[sink.kind], sink.target)) for sink in inspected}
    yield from messages.sinks(found, settings)
    if name:
        check = partial(messages.dead_letters, name=name, settings=settings, now=now)
        yield from checked("dead letters", partial(inspector.queue, name), check)
    else:
        reason = expected.files_error or "the name of the queue is unknown"
        yield skipped("dead letters", reason, "export CLIPSTITCH_DEAD_LETTER_QUEUE=NAME")


def _functions(inspector: facts.Inspector, expected: facts.ExpectedDeployment) -> Iterator[Finding]:
    if reason := expected.files_error or expected.not_inspected.get("FC"):
        yield from _skip(_FUNCTION_CHECKS, reason)
        return
    declared, settings = expected.functions, expected.settings
    found = [(function, result_of(partial(inspector.function, function.name))) for function in declared]
    yield from all_or_ok(starmap(functions.function, found), "functions", f"{_names(declared)} exist")
    known = [(function, result) for function, result in found if isinstance(result, facts.FunctionFacts)]
    if not known:
        yield from _skip(_FUNCTION_CHECKS[1:], "no function is known")
        return
    deployed = [function for _, function in known]
    names, count = _names(deployed), sum(len(function.triggers) for function in deployed)
    environments = (functions.environment(*pair, settings) for pair in known)
    destinations, roles = starmap(functions.failure_destination, known), starmap(functions.roles, known)
    different = (triggers.triggers(*pair, settings.oss_region) for pair in known)
    yield from all_or_ok(environments, "environment", f"{names} have the settings of s.yaml")
    yield from all_or_ok(destinations, "failure destination", f"failed events of {names} go where s.yaml says")
    yield from all_or_ok(roles, "roles", f"{names} and their triggers have the roles of s.yaml")
    yield from all_or_ok(different, "triggers", f"all {count} are as s.yaml declares them")
    yield from triggers.loops(declared, deployed, settings)


def _names(functions_: Iterable[facts.FunctionFacts]) -> str:
    return ", ".join(function.name for function in functions_)


def _state(
    home: Home, inspector: facts.Inspector, settings: Settings, now: datetime, data_calls: Finding
) -> Iterator[Finding]:
    reason = _unreachable(home, settings)
    if reason or data_calls.state != OK:
        yield from _skip(_STATE_CHECKS, reason or f"{settings.oss_endpoint} answers no data calls, see `endpoint`")
        return
    yield from checked("open jobs", inspector.open_jobs, partial(jobs.open_jobs, now=now))
    yield from checked("webhooks", inspector.switched_off_sinks, messages.switched_off)
