"""The checks of the doctor: an error is one finding with its repair, and skips only dependent checks."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple, TypeVar

import pytest

from clipstitch.common.errors import AccessDenied, CloudBusy, PublicEndpointForbidden
from clipstitch.usecases.settings import Settings, Sink
from clipstitch_cli import exit_codes
from clipstitch_cli.connection import endpoint_of
from clipstitch_cli.doctor.checks.all_checks import CHECKS, examine, only_settings
from clipstitch_cli.doctor.deployment_facts import (
    AccessKeyRejected,
    BucketFacts,
    ExpectedDeployment,
    FunctionFacts,
    OpenJob,
    QueueFacts,
    RegionMismatch,
    StackFacts,
    TriggerFacts,
    parse_function,
)
from clipstitch_cli.doctor.expected import account_of
from clipstitch_cli.doctor.findings import BAD, OK, SKIPPED, WARNING, Finding, bad, exit_code
from tests.world import SETTINGS

T = TypeVar("T")
NOW = datetime(2026, 11, 25, 12, tzinfo=timezone.utc)
ENVIRONMENT = {
    "OSS_ENDPOINT": "https://oss-cn-hangzhou-internal.aliyuncs.com",
    "OSS_REGION": "cn-hangzhou",
    "MNS_ENDPOINT": "https://1.mns.cn-hangzhou-internal.aliyuncs.com",
    "CLIPSTITCH_BUCKET": "acme",
    "CLIPSTITCH_COMPLETION_TOPIC": "completions",
}
UPLOADS = ["oss:ObjectCreated:PutObject", "oss:ObjectCreated:CompleteMultipartUpload"]
JOB = "20261125T030405Z-0123456789ab"


def on_objects(suffix: str, prefix: str = "manifests/", events: list[str] | None = None) -> TriggerFacts:
    """Return a trigger for one kind of manifest."""
    config = {"events": events or UPLOADS, "filter": {"key": {"prefix": prefix, "suffix": suffix}}}
    return TriggerFacts(f"manifest{suffix}", "oss", "acs:oss:cn-hangzhou:1:acme", config, "acs:ram::1:role/oss")


SUFFIXES = (".json", ".yaml", ".yml", ".ffconcat", ".m3u", ".m3u8")
TIMER = TriggerFacts("often", "timer", "", {"cronExpression": "@every 5m", "enable": True})
DISABLED = TIMER._replace(config={**TIMER.config, "enable": False})
SUBMIT = FunctionFacts(
    "submit", "python3.10", "acs:ram::1:role/functions", ENVIRONMENT, "acs:mns:x", tuple(map(on_objects, SUFFIXES))
)
SWEEP = SUBMIT._replace(name="sweep", triggers=(TIMER,))
EXPECTED = ExpectedDeployment(SETTINGS._replace(imm_project="proj"), "LTAI", (SUBMIT, SWEEP), "dead")


class Answers(NamedTuple):
    """A cloud without errors; an answer that is an exception is raised."""

    ahead: timedelta | Exception = timedelta()
    buckets: Mapping[str, BucketFacts | Exception] = {"acme": BucketFacts("acme", "cn-hangzhou")}
    listed: Exception | None = None
    stacks: tuple[StackFacts, ...] | Exception = (StackFacts("clipstitch", "CREATE_COMPLETE"),)
    project: str | Exception | None = "proj"
    topics: tuple[str, ...] = ("completions", "events")
    queues: tuple[QueueFacts, ...] = (QueueFacts("events"), QueueFacts("dead"))
    functions: tuple[FunctionFacts, ...] | Exception = (SUBMIT, SWEEP)
    jobs: tuple[OpenJob, ...] = ()
    off: tuple[str, ...] = ()

    def clock_skew(self) -> timedelta:
        """Return the skew."""
        return answer(self.ahead)

    def bucket(self, name: str) -> BucketFacts | None:
        """Return a bucket."""
        return answer(self.buckets.get(name))

    def stack(self, name: str) -> StackFacts | None:
        """Return a stack."""
        return next((stack for stack in answer(self.stacks) if stack.name == name), None)

    def list_one(self, bucket: str) -> None:
        """List an object."""
        answer(self.listed)

    def imm_project(self, bucket: str) -> str | None:
        """Return the project."""
        return answer(self.project)

    def has_topic(self, name: str) -> bool:
        """Look for a topic."""
        return name in answer(self.topics)

    def queue(self, name: str) -> QueueFacts | None:
        """Return a queue."""
        return next((queue for queue in answer(self.queues) if queue.name == name), None)

    def function(self, name: str) -> FunctionFacts | None:
        """Return a function."""
        return next((one for one in answer(self.functions) if one.name == name), None)

    def open_jobs(self) -> list[OpenJob]:
        """Return the open jobs."""
        return list(answer(self.jobs))

    def switched_off_sinks(self) -> list[str]:
        """Return the sinks that are off."""
        return list(answer(self.off))


def answer(value: T | Exception) -> T:
    """Return an answer, or raise it."""
    if isinstance(value, Exception):
        raise value
    return value


def found(answers: Answers, wanted: ExpectedDeployment = EXPECTED) -> list[Finding]:
    """Return all findings."""
    return list(examine(answers, wanted, NOW))


def only(answers: Answers, wanted: ExpectedDeployment = EXPECTED) -> Finding:
    """Return the only bad finding or warning."""
    (finding,) = (one for one in found(answers, wanted) if one.state in (BAD, WARNING))
    return finding


def submit_with(**changes: Any) -> Answers:
    """Deploy submit with changes."""
    return Answers(functions=(SUBMIT._replace(**changes), SWEEP))


def submit_triggered_by(*triggers: TriggerFacts) -> Answers:
    """Deploy submit with other triggers."""
    return submit_with(triggers=triggers)


def test_a_healthy_cloud_has_one_ok_finding_per_check() -> None:
    """In the order of the table; the exit code is OK."""
    findings = found(Answers())

    assert [check.name for check in CHECKS] == [one.name for one in findings]
    assert {OK} == {one.state for one in findings}
    assert exit_codes.OK == exit_code(findings)


def stacked(status: str, **changes: Any) -> Answers:
    """Have a stack in another state."""
    return Answers(stacks=(StackFacts("clipstitch", status, "why"),))._replace(**changes)


def bucket(**changes: Any) -> Answers:
    """Have another bucket."""
    return Answers(buckets={"acme": BucketFacts("acme", "cn-hangzhou")._replace(**changes)})


ERRORS: tuple[tuple[str, Answers, str, str, str], ...] = (
    ("a clock ahead", Answers(timedelta(minutes=16)), "clock", "960 s ahead of", "timedatectl"),
    ("a clock behind", Answers(timedelta(minutes=-16)), "clock", "960 s behind", "timedatectl"),
    ("no time", Answers(CloudBusy("no route")), "clock", "no route", "endpoint"),
    ("a versioned bucket", bucket(versioning="Enabled"), "versioning", "acme has versioning (Enabled)", "s deploy"),
    ("a once versioned bucket", bucket(versioning="Suspended"), "versioning", "(Suspended)", "s deploy"),
    ("another region", bucket(region="cn-beijing"), "region", "is in cn-beijing", "OSS_REGION=cn-beijing"),
    ("no binding", Answers(project=None), "binding", "bound to no IMM project", "AttachOSSBucket"),
    ("another project", Answers(project="theirs"), "binding", "project theirs", "DetachOSSBucket"),
    ("no right", Answers(project=AccessDenied("no")), "binding", "no answer: no", "Check the access key"),
    ("a failed update", stacked("UPDATE_FAILED"), "stack", "is UPDATE_FAILED (why)", "s deploy"),
    ("a failed rollback", stacked("ROLLBACK_FAILED"), "stack", "is ROLLBACK_FAILED (why)", "s deploy"),
    ("a failed deletion", stacked("DELETE_FAILED"), "stack", "ROS can only delete it", "DetachOSSBucket"),
    ("no data calls", Answers(listed=PublicEndpointForbidden("no")), "endpoint", "refuses data calls", "https://DOMAIN"),
    ("no listing", Answers(listed=AccessDenied("no")), "endpoint", "no answer: no", "Check the access key"),
    ("no topic", Answers(topics=("events",)), "topic", "no topic completions", "CreateTopic --region cn-hangzhou"),
    ("no sink's topic", Answers(topics=("completions",)), "sinks", "no topic events", "--TopicName events"),
    ("no sink's queue", Answers(queues=(QueueFacts("dead"),)), "sinks", "no queue events", "--QueueName events"),
    ("no queue", Answers(queues=(QueueFacts("events"),)), "dead letters", "no queue dead", "--QueueName dead"),
    (
        "dead letters",
        Answers(queues=(QueueFacts("events"), QueueFacts("dead", 2, NOW - timedelta(hours=5)))),
        "dead letters",
        "2 dead-letter messages in queue dead (oldest: 5 h)",
        "clipstitch retry --dead-letters",
    ),
    (
        "a dead letter that is hidden",
        Answers(queues=(QueueFacts("events"), QueueFacts("dead", 1))),
        "dead letters",
        "1 dead-letter message in queue dead",
        "clipstitch retry --dead-letters",
    ),
    ("no function", Answers(functions=(SUBMIT,)), "functions", "no function sweep", "s deploy"),
    ("half an environment", submit_with(environment={}), "environment", "OSS_ENDPOINT is not set", "s deploy"),
    ("lost events", submit_with(on_failure=""), "failure destination", "no failure destination", "s deploy"),
    ("no role", submit_with(role=""), "roles", "submit has no role", "s deploy"),
    (
        "a trigger's role",
        submit_triggered_by(SUBMIT.triggers[0]._replace(role=""), *SUBMIT.triggers[1:]),
        "roles",
        "trigger manifest.json has no role",
        "s deploy",
    ),
    (
        "a disabled sweep",
        Answers(functions=(SUBMIT, SWEEP._replace(triggers=(DISABLED,)))),
        "triggers",
        "has enabled False, s.yaml says True",
        "s deploy",
    ),
    (
        "no timer",
        Answers(functions=(SUBMIT, SWEEP._replace(triggers=()))),
        "triggers",
        "no trigger often: no sweep recovers jobs",
        "s deploy",
    ),
    (
        "a stuck job",
        Answers(jobs=(OpenJob(JOB, NOW - timedelta(hours=9), timedelta(hours=3)),)),
        "open jobs",
        f"1 is past the deadline ({JOB})",
        f"clipstitch show {JOB}",
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("answers", "name", "message", "remedy"), [one[1:] for one in ERRORS], ids=[t[0] for t in ERRORS]
)
def test_an_error_is_one_bad_finding_with_its_repair(answers: Answers, name: str, message: str, remedy: str) -> None:
    """Nothing else is bad, and the exit code is ERROR."""
    finding = only(answers)

    assert (name, BAD) == finding[:2]
    assert message in finding.message
    assert remedy in finding.remedy
    assert "\n" not in finding.message + finding.remedy
    assert exit_codes.ERROR == exit_code([finding])


WARNINGS: tuple[tuple[str, Answers, str, str, str], ...] = (
    ("a clock a little off", Answers(timedelta(seconds=31)), "clock", "31 s ahead", "timedatectl"),
    ("an undone update", stacked("ROLLBACK_COMPLETE"), "stack", "was undone", "s deploy"),
    ("a stack in creation", stacked("CREATE_IN_PROGRESS"), "stack", "is CREATE_IN_PROGRESS", "wait until it has ended"),
    ("a rollback", stacked("CREATE_ROLLBACK_IN_PROGRESS"), "stack", "ROLLBACK_IN_PROGRESS", "wait until it has ended"),
    ("an unknown state", stacked("NEW_STATE"), "stack", "is NEW_STATE (why), which is unknown", "s infra info"),
    ("no answer of ROS", Answers(stacks=CloudBusy("no route")), "stack", "unknown: no route", "ros-intl.aliyuncs.com"),
    ("an old runtime", submit_with(runtime="python3.9"), "functions", "runs on python3.9", "s deploy"),
    (
        "another value",
        submit_with(environment={**ENVIRONMENT, "CLIPSTITCH_WEBHOOK_A_SECRET": "whsec_x"}),
        "environment",
        "other values than s.yaml for CLIPSTITCH_WEBHOOK_A_SECRET",
        "s deploy",
    ),
    ("another destination", submit_with(on_failure="acs:mns:y"), "failure destination", "go to acs:mns:y", "s deploy"),
    ("another role", submit_with(role="acs:ram::1:role/x"), "roles", "has the role acs:ram::1:role/x", "s deploy"),
    ("a receiver gone", Answers(off=("oss://acme/x/hook.off",)), "webhooks", "hook is switched off", "ossutil rm oss:"),
    (
        "a pending delivery",
        Answers(jobs=(OpenJob(JOB, NOW - timedelta(hours=9), timedelta(hours=3), ("hook",)),)),
        "open jobs",
        "with deliveries pending to hook",
        f"clipstitch show {JOB}",
    ),
    (
        "one trigger more",
        Answers(functions=(SUBMIT, SWEEP._replace(triggers=(TIMER, TIMER._replace(name="more"))))),
        "triggers",
        "a trigger more that s.yaml does not declare",
        "aliyun fc DeleteTrigger",
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("answers", "name", "message", "remedy"), [one[1:] for one in WARNINGS], ids=[t[0] for t in WARNINGS]
)
def test_a_harmless_difference_is_one_warning(answers: Answers, name: str, message: str, remedy: str) -> None:
    """Jobs succeed, so the exit code is OK."""
    finding = only(answers)

    assert (name, WARNING) == finding[:2]
    assert message in finding.message
    assert remedy in finding.remedy
    assert exit_codes.OK == exit_code([finding])


def test_values_of_variables_are_never_shown() -> None:
    """Only the names of variables that differ."""
    finding = only(submit_with(environment={**ENVIRONMENT, "CLIPSTITCH_WEBHOOK_A_SECRET": "whsec_x"}))

    assert "whsec_x" not in finding.message + finding.remedy


def loops(*triggers: TriggerFacts, settings: Settings = EXPECTED.settings) -> list[str]:
    """Return the bad findings about loops if triggers are declared and deployed like this."""
    function = SUBMIT._replace(triggers=triggers)
    wanted = EXPECTED._replace(functions=(function, SWEEP), settings=settings)
    findings = found(Answers(functions=(function, SWEEP)), wanted)
    return [one.message for one in findings if one.name == "loops" and one.state == BAD]


LOOPS: tuple[tuple[str, TriggerFacts, str], ...] = (
    ("all events", on_objects("", events=["oss:ObjectCreated:*"]), "every part of an upload: oss:ObjectCreated:*"),
    ("parts", on_objects("", events=["oss:ObjectCreated:UploadPart"]), "every part of an upload"),
    ("the whole bucket", on_objects(".json", ""), "own state (_clipstitch/), results (results/), outputs (anywhere)"),
    ("results", on_objects(".json", "results/manifests/"), "clipstitch's own results (results/)"),
    ("state", on_objects(".json", "_clip"), "clipstitch's own state (_clipstitch/), outputs (anywhere)"),
    ("outputs", on_objects(".json", "episodes/"), "clipstitch's own outputs (anywhere)"),
)  # fmt: skip


@pytest.mark.parametrize(("trigger", "line"), [one[1:] for one in LOOPS], ids=[one[0] for one in LOOPS])
def test_a_trigger_on_written_objects_is_bad(trigger: TriggerFacts, line: str) -> None:
    """Even if s.yaml declares it, because the settings say what is written."""
    assert any(line in loop for loop in loops(*SUBMIT.triggers, trigger))


def test_a_declared_trigger_must_be_narrowed_in_s_yaml() -> None:
    """Otherwise the next deployment would restore it."""
    wide = on_objects(".json", "")
    declared = SUBMIT._replace(triggers=(*SUBMIT.triggers, wide))
    wanted = EXPECTED._replace(functions=(declared, SWEEP))
    mine = [one for one in found(Answers(functions=(declared, SWEEP)), wanted) if one.name == "loops"]
    theirs = [one for one in found(Answers(functions=(declared, SWEEP))) if one.name == "loops"]

    assert ["narrow manifest.json in s.yaml, then: s deploy"] == [one.remedy for one in mine]
    assert ["s deploy"] == [one.remedy for one in theirs]


def test_outputs_under_another_prefix_are_no_loop() -> None:
    """Neither are outputs in a bucket that the trigger does not watch."""
    elsewhere = EXPECTED.settings._replace(output_prefixes=("out/",))
    other = on_objects(".json", "episodes/")._replace(source="acs:oss:cn-hangzhou:1:other")

    assert [] == loops(*SUBMIT.triggers, on_objects(".json", "episodes/"), settings=elsewhere)
    assert [] == loops(*SUBMIT.triggers, other)


def test_a_suffix_without_a_trigger_is_named() -> None:
    """Such uploads would wait for the sweep."""
    (line,) = loops(*SUBMIT.triggers[:-1])

    assert "no trigger watches oss://acme/manifests/ for .m3u8" in line


def test_the_manifest_prefix_of_the_settings_must_be_watched() -> None:
    """Not that of s.yaml."""
    (line,) = loops(
        *SUBMIT.triggers, settings=EXPECTED.settings._replace(manifest_prefix="jobs/", output_prefixes=("out/",))
    )

    assert "no trigger watches oss://acme/jobs/ for .json" in line


def test_a_changed_trigger_lists_its_differences() -> None:
    """Prefix, suffix, events, source."""
    changed = SUBMIT.triggers[0]._replace(source="acs:oss:cn-hangzhou:1:other")
    lines = [one.message for one in found(submit_triggered_by(changed, *SUBMIT.triggers[1:])) if one.state == BAD]

    assert any(
        "has source 'acs:oss:cn-hangzhou:1:other', s.yaml says 'acs:oss:cn-hangzhou:1:acme'" in at for at in lines
    )


def test_a_rejected_key_skips_all_other_checks() -> None:
    """Except the clock, which needs no key, and is the usual reason."""
    findings = found(Answers(buckets={"acme": AccessKeyRejected("SignatureDoesNotMatch: no")}))

    assert [OK, OK, BAD] == [one.state for one in findings[:3]]
    assert {SKIPPED} == {one.state for one in findings[3:]}
    assert "the access key is rejected" in findings[-1].message


def test_a_wrong_region_is_the_only_bad_finding() -> None:
    """What s.yaml declares depends on the region, too."""
    findings = found(Answers(buckets={"acme": RegionMismatch("OSS_ENDPOINT is in cn-beijing", "cn-beijing")}))

    assert [("region", "export OSS_REGION=cn-beijing")] == [
        (one.name, one.remedy) for one in findings if one.state == BAD
    ]
    assert [check.name for check in CHECKS] == [one.name for one in findings]


def test_a_missing_bucket_skips_only_dependent_checks() -> None:
    """All other checks are made."""
    states = {one.name: one.state for one in found(Answers(buckets={}))}

    assert BAD == states["bucket"]
    assert {"region", "versioning", "binding", "endpoint", "open jobs", "webhooks"} == {
        n for n, s in states.items() if s == SKIPPED
    }
    assert {OK} == {states[name] for name in ("topic", "sinks", "dead letters", "functions", "triggers", "loops")}


@pytest.mark.parametrize(
    "why",
    [
        ExpectedDeployment(SETTINGS, "LTAI", files_error="s.yaml: no"),
        EXPECTED._replace(not_inspected={"FC": "s.yaml: no"}),
    ],
)
def test_functions_that_cannot_be_inspected_are_skipped(why: ExpectedDeployment) -> None:
    """Without s.yaml, and without an endpoint of Function Compute."""
    skipped = [one for one in found(Answers(), why._replace(dead_letter_queue="dead")) if one.state == SKIPPED]

    assert ["functions", "environment", "failure destination", "roles", "triggers", "loops"] == [
        one.name for one in skipped
    ]
    assert {"not checked: s.yaml: no"} == {one.message for one in skipped}


def test_a_function_without_an_answer_is_bad() -> None:
    """Its state is unknown; the other functions are checked."""
    findings = found(Answers(functions=CloudBusy("FC is busy")))

    assert 2 == sum("FC is busy" in one.message for one in findings if one.state == BAD)
    assert {"environment", "failure destination", "roles", "triggers", "loops"} == {
        o.name for o in findings if o.state == SKIPPED
    }


def test_a_bucket_outside_the_stack_is_created_by_hand() -> None:
    """The stack creates only the bucket for manifests."""
    wanted = EXPECTED._replace(settings=EXPECTED.settings._replace(state_bucket="state"))

    (missing,) = (one for one in found(Answers(), wanted) if one.state == BAD)

    assert ("bucket", "ossutil mb oss://state --region cn-hangzhou") == missing[::3]


def test_an_output_bucket_in_another_region_is_replaced() -> None:
    """Outputs must stay in the region of the stack."""
    wanted = EXPECTED._replace(settings=EXPECTED.settings._replace(output_buckets=("out",)))
    two = {"acme": BucketFacts("acme", "cn-hangzhou"), "out": BucketFacts("out", "cn-beijing")}
    finding = only(Answers(buckets=two), wanted)

    assert "bucket out is in cn-beijing, everything else in cn-hangzhou" == finding.message
    assert finding.remedy.startswith(
        "ossutil mb oss://out-cn-hangzhou --region cn-hangzhou; then name it in CLIPSTITCH_OUT"
    )


def test_an_output_bucket_with_versioning_is_a_warning() -> None:
    """Facts are stored in another bucket; an output could be replaced."""
    wanted = EXPECTED._replace(settings=EXPECTED.settings._replace(output_buckets=("out",)))
    two = {"acme": BucketFacts("acme", "cn-hangzhou"), "out": BucketFacts("out", "cn-hangzhou", "Enabled")}
    (finding,) = (one for one in found(Answers(buckets=two), wanted) if one.state != OK)

    assert ("versioning", WARNING) == finding[:2]
    assert "bucket out" in finding.message
    assert "then name it in CLIPSTITCH_OUTPUT_BUCKETS" in finding.remedy


def test_a_versioned_bucket_with_another_state_bucket_is_a_warning() -> None:
    """The remedy of docs/operate.md."""
    wanted = EXPECTED._replace(settings=EXPECTED.settings._replace(state_bucket="state"))
    two = {"acme": BucketFacts("acme", "cn-hangzhou", "Enabled"), "state": BucketFacts("state", "cn-hangzhou")}
    findings = {one.name: one for one in found(Answers(buckets=two), wanted)}

    assert WARNING == findings["versioning"].state


def test_the_content_of_a_bucket_in_another_region_is_skipped() -> None:
    """IMM and the job store would only fail for the same reason."""
    states = {one.name: one.state for one in found(bucket(region="cn-beijing"))}

    assert {"binding", "endpoint", "open jobs", "webhooks"} == {
        name for name, state in states.items() if state == SKIPPED
    }


def test_open_jobs_are_counted_with_the_age_of_the_oldest() -> None:
    """A busy system has them, too."""
    jobs = (OpenJob(JOB, NOW - timedelta(minutes=4)), OpenJob(JOB, NOW))
    (line,) = (one.message for one in found(Answers(jobs=jobs)) if one.name == "open jobs")

    assert "2 are running, the oldest 4 min old" == line


DETACH = "aliyun imm DetachOSSBucket --region cn-hangzhou --OSSBucket acme && "
LEFT_OVER: tuple[tuple[str, Answers, str, str], ...] = (
    ("all", stacked("CREATE_FAILED"), "bucket acme stays, attached to IMM project proj",
     f"{DETACH}s infra remove && CLIPSTITCH_NEW_BUCKET=false s deploy"),
    ("the bucket", stacked("CREATE_ROLLBACK_COMPLETE", project=None), "bucket acme stays",
     "s infra remove && CLIPSTITCH_NEW_BUCKET=false s deploy"),
    ("an unknown project", stacked("CREATE_ROLLBACK_FAILED", project=AccessDenied("no")), "bucket acme stays",
     "s infra remove && CLIPSTITCH_NEW_BUCKET=false s deploy"),
    ("nothing", stacked("CREATE_ROLLBACK_COMPLETE", buckets={}), "there is no bucket acme",
     "s infra remove && s deploy"),
    ("an unknown bucket", stacked("CREATE_FAILED", buckets={"acme": CloudBusy("no")}), "bucket acme exists is unknown",
     "s infra remove; then, if bucket acme exists: CLIPSTITCH_NEW_BUCKET=false s deploy; otherwise: s deploy"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("answers", "left", "remedy"), [one[1:] for one in LEFT_OVER], ids=[one[0] for one in LEFT_OVER]
)
def test_a_failed_creation_says_what_stays_and_how_to_go_on(answers: Answers, left: str, remedy: str) -> None:
    """Every other check of the deployment is skipped: its remedy would be a deployment, which ROS refuses."""
    findings = {one.name: one for one in found(answers)}

    assert findings["stack"].message.endswith(left)
    assert remedy == findings["stack"].remedy
    assert ["stack"] == [name for name, one in findings.items() if one.state == BAD]
    assert [check.name for check in CHECKS] == list(findings)
    assert "not checked: the stack has to be deleted first" == findings["triggers"].message


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_COMPLETE", "CHECK_COMPLETE", "IMPORT_UPDATE_COMPLETE"])
def test_a_stack_that_can_be_updated_is_ok(status: str) -> None:
    """Whatever completed last."""
    assert {OK} == {one.state for one in found(stacked(status))}


@pytest.mark.parametrize(
    "answers",
    [Answers(stacks=()), Answers(stacks=AccessDenied("no")), Answers(stacks=(StackFacts("other", "CREATE_FAILED"),))],
)
def test_without_a_stack_the_check_is_skipped(answers: Answers) -> None:
    """Or without permission to read it; the exit code is OK."""
    findings = found(answers)

    assert ["stack"] == [one.name for one in findings if one.state == SKIPPED]
    assert exit_codes.OK == exit_code(findings)


def test_the_reason_of_a_stack_is_one_short_line() -> None:
    """The vendor puts whole documents into it."""
    stacks = (StackFacts("clipstitch", "CREATE_FAILED", "a\n b" + "x" * 5000),)
    (finding,) = (one for one in found(Answers(stacks=stacks)) if one.name == "stack")

    assert "(a bx" in finding.message
    assert len(finding.message) < 600


@pytest.mark.parametrize("error", [PublicEndpointForbidden("no"), AccessDenied("no"), CloudBusy("no")])
def test_what_needs_data_calls_is_skipped_if_they_are_refused(error: Exception) -> None:
    """It would fail for the same reason."""
    findings = found(Answers(listed=error))

    assert ["open jobs", "webhooks"] == [one.name for one in findings if one.state == SKIPPED]
    assert {"not checked: http://127.0.0.1:1 answers no data calls, see `endpoint`"} == {
        one.message for one in findings if one.state == SKIPPED
    }


def test_without_settings_all_other_checks_are_skipped() -> None:
    """One bad finding; the others give the reason."""
    findings = only_settings(bad("settings", "OSS_ENDPOINT is not set", "set it"))

    assert [check.name for check in CHECKS] == [one.name for one in findings]
    assert [BAD, SKIPPED] == [findings[0].state, findings[-1].state]


def test_functions_are_parsed_from_the_documents_of_the_api() -> None:
    """A trigger's configuration is a string in 2023-03-30; only the name is required."""
    trigger = {
        "triggerName": "t",
        "triggerType": "oss",
        "sourceArn": "acs:oss:r:1:acme",
        "triggerConfig": '{"events": []}',
    }
    whole = parse_function({"functionName": "f", "role": "r"}, {"destinationConfig": {}}, [trigger])

    assert ("f", "r", "", "acme", "") == (
        *whole[:1],
        whole.role,
        whole.on_failure,
        whole.triggers[0].bucket,
        whole.triggers[0].prefix,
    )
    assert FunctionFacts("f") == parse_function({"functionName": "f"}, {}, [])


ENDPOINTS: tuple[tuple[Callable[[], str], str], ...] = (
    (lambda: endpoint_of("FC", {"FC_ENDPOINT": "http://x"}, SETTINGS), "http://x"),
    (lambda: endpoint_of("FC", {}, SETTINGS), ""),
    (
        lambda: endpoint_of("FC", {}, SETTINGS._replace(oss_endpoint="https://oss-cn-hangzhou.aliyuncs.com")),
        "https://fcv3.cn-hangzhou.aliyuncs.com",
    ),
    (
        lambda: endpoint_of("ROS", {}, SETTINGS._replace(oss_endpoint="https://oss-cn-hangzhou.aliyuncs.com")),
        "https://ros.aliyuncs.com",
    ),
    (lambda: endpoint_of("ROS", {"ROS_ENDPOINT": "ros-intl.aliyuncs.com"}, SETTINGS), "ros-intl.aliyuncs.com"),
    (
        lambda: endpoint_of("IMM", {}, SETTINGS._replace(oss_endpoint="oss-cn-hangzhou.aliyuncs.com")),
        "https://imm.cn-hangzhou.aliyuncs.com",
    ),
)


@pytest.mark.parametrize(("endpoint", "expected"), ENDPOINTS)
def test_a_local_cloud_never_uses_endpoints_of_the_vendor(endpoint: Callable[[], str], expected: str) -> None:
    """They are the default only beside the vendor's OSS."""
    assert expected == endpoint()


def test_the_account_comes_from_the_endpoint_of_smq() -> None:
    """An endpoint without an account is the local cloud's."""
    assert "1186202104331798" == account_of("https://1186202104331798.mns.cn-hangzhou.aliyuncs.com")
    assert "1234567890123456" == account_of("http://127.0.0.1:8080")


def test_a_webhook_is_not_called() -> None:
    """It has no topic or queue to check."""
    hook = EXPECTED._replace(settings=EXPECTED.settings._replace(sinks=(Sink("hook", "webhook", "A"),)))

    (line,) = (one.message for one in found(Answers(), hook) if one.name == "sinks")

    assert "no topics or queues; 1 webhooks are not called" == line
