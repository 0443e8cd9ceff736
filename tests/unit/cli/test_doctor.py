"""What the doctor makes of facts: what is out of place is one line with its repair; a failure stops only its own."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

import pytest

from clipstitch.common.errors import AccessDenied, CloudBusy
from clipstitch.usecases.settings import Settings, Sink
from clipstitch_cli import exit_codes
from clipstitch_cli.commands.doctor import account_in, endpoint_of
from clipstitch_cli.doctor.checks.all_checks import CHECKS, examine, only_settings
from clipstitch_cli.doctor.deployment_facts import (
    Bucket,
    Function,
    KeyRefused,
    OpenJob,
    OtherRegion,
    Queue,
    Trigger,
    Wanted,
    read_function,
)
from clipstitch_cli.doctor.findings import BAD, OK, SKIPPED, WARNING, Finding, bad, exit_code
from tests.world import SETTINGS

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


def on_objects(suffix: str, prefix: str = "manifests/", events: list[str] | None = None) -> Trigger:
    """Make a trigger for one kind of manifest."""
    config = {"events": events or UPLOADS, "filter": {"key": {"prefix": prefix, "suffix": suffix}}}
    return Trigger(f"manifest{suffix}", "oss", "acs:oss:cn-hangzhou:1:acme", config, "acs:ram::1:role/oss")


SUFFIXES = (".json", ".yaml", ".yml", ".ffconcat", ".m3u", ".m3u8")
TIMER = Trigger("often", "timer", "", {"cronExpression": "@every 5m", "enable": True})
ASLEEP = TIMER._replace(config={**TIMER.config, "enable": False})
SUBMIT = Function(
    "submit", "python3.10", "acs:ram::1:role/functions", ENVIRONMENT, "acs:mns:x", tuple(map(on_objects, SUFFIXES))
)
SWEEP = SUBMIT._replace(name="sweep", triggers=(TIMER,))
WANTED = Wanted(SETTINGS._replace(imm_project="proj"), "LTAI", (SUBMIT, SWEEP), "dead")


class Answers(NamedTuple):
    """A cloud in which everything is in its place; an answer that is an error is raised."""

    ahead: Any = timedelta()
    buckets: Mapping[str, Any] = {"acme": Bucket("acme", "cn-hangzhou")}
    project: Any = "proj"
    topics: Any = ("completions", "events")
    queues: Any = (Queue("events"), Queue("dead"))
    functions: Any = (SUBMIT, SWEEP)
    jobs: Any = ()
    off: Any = ()

    def skew(self) -> timedelta:
        """How far we are ahead."""
        return said(self.ahead)  # type: ignore[no-any-return]

    def bucket(self, name: str) -> Bucket | None:
        """Look at a bucket."""
        return said(self.buckets.get(name))  # type: ignore[no-any-return]

    def project_of(self, bucket: str) -> str | None:
        """Name the project."""
        return said(self.project)  # type: ignore[no-any-return]

    def has_topic(self, name: str) -> bool:
        """Look for a topic."""
        return name in said(self.topics)

    def queue(self, name: str) -> Queue | None:
        """Look at a queue."""
        return next((queue for queue in said(self.queues) if queue.name == name), None)

    def function(self, name: str) -> Function | None:
        """Look at a function."""
        return next((one for one in said(self.functions) if one.name == name), None)

    def open_jobs(self) -> list[OpenJob]:
        """List open jobs."""
        return list(said(self.jobs))

    def switched_off(self) -> list[str]:
        """List what is off."""
        return list(said(self.off))


def said(answer: Any) -> Any:
    """Answer, or raise."""
    if isinstance(answer, Exception):
        raise answer
    return answer


def found(answers: Answers, wanted: Wanted = WANTED) -> list[Finding]:
    """Examine a cloud."""
    return list(examine(answers, wanted, NOW))


def only(answers: Answers, wanted: Wanted = WANTED) -> Finding:
    """Examine a cloud in which one thing is out of place."""
    (trouble,) = (one for one in found(answers, wanted) if one.state in (BAD, WARNING))
    return trouble


def submit_with(**changes: Any) -> Answers:
    """Deploy submit otherwise."""
    return Answers(functions=(SUBMIT._replace(**changes), SWEEP))


def submit_triggered_by(*triggers: Trigger) -> Answers:
    """Deploy submit with other triggers."""
    return submit_with(triggers=triggers)


def test_a_healthy_cloud_has_one_good_line_for_every_check():
    """In the order of the table, and the exit code is that of success."""
    findings = found(Answers())

    assert [check.name for check in CHECKS] == [one.name for one in findings]
    assert {OK} == {one.state for one in findings}
    assert exit_codes.OK == exit_code(findings)


def bucket(**changes: Any) -> Answers:
    """Have another bucket."""
    return Answers(buckets={"acme": Bucket("acme", "cn-hangzhou")._replace(**changes)})


TROUBLES: tuple[tuple[str, Answers, str, str, str], ...] = (
    ("a clock ahead", Answers(timedelta(minutes=16)), "clock", "960 s ahead of", "timedatectl"),
    ("a clock behind", Answers(timedelta(minutes=-16)), "clock", "960 s behind", "timedatectl"),
    ("no time", Answers(CloudBusy("nobody there")), "clock", "nobody there", "endpoint"),
    ("a versioned bucket", bucket(versioning="Enabled"), "versioning", "acme has versioning (Enabled)", "s deploy"),
    ("a once versioned bucket", bucket(versioning="Suspended"), "versioning", "(Suspended)", "s deploy"),
    ("another region", bucket(region="cn-beijing"), "region", "lies in cn-beijing", "OSS_REGION=cn-beijing"),
    ("no binding", Answers(project=None), "binding", "bound to no IMM project", "AttachOSSBucket"),
    ("another project", Answers(project="theirs"), "binding", "project theirs", "DetachOSSBucket"),
    ("no right", Answers(project=AccessDenied("no")), "binding", "no answer: no", "Check the access key"),
    ("no topic", Answers(topics=("events",)), "topic", "no topic completions", "CreateTopic --region cn-hangzhou"),
    ("no sink's topic", Answers(topics=("completions",)), "sinks", "no topic events", "--TopicName events"),
    ("no sink's queue", Answers(queues=(Queue("dead"),)), "sinks", "no queue events", "--QueueName events"),
    ("no letter box", Answers(queues=(Queue("events"),)), "dead letters", "no queue dead", "--QueueName dead"),
    (
        "dead letters",
        Answers(queues=(Queue("events"), Queue("dead", 2, NOW - timedelta(hours=5)))),
        "dead letters",
        "2 dead letters wait in queue dead, one of them for 5 h",
        "clipstitch retry --dead-letters",
    ),
    (
        "a dead letter that is hidden",
        Answers(queues=(Queue("events"), Queue("dead", 1))),
        "dead letters",
        "1 dead letter waits in queue dead",
        "clipstitch retry --dead-letters",
    ),
    ("no function", Answers(functions=(SUBMIT,)), "functions", "no function sweep", "s deploy"),
    ("half an environment", submit_with(environment={}), "environment", "OSS_ENDPOINT is not set", "s deploy"),
    ("lost events", submit_with(on_failure=""), "give-ups", "no failure destination", "s deploy"),
    ("no role", submit_with(role=""), "roles", "submit has no role", "s deploy"),
    (
        "a trigger's role",
        submit_triggered_by(SUBMIT.triggers[0]._replace(role=""), *SUBMIT.triggers[1:]),
        "roles",
        "trigger manifest.json has no role",
        "s deploy",
    ),
    (
        "a sweep that sleeps",
        Answers(functions=(SUBMIT, SWEEP._replace(triggers=(ASLEEP,)))),
        "triggers",
        "has enabled False, s.yaml says True",
        "s deploy",
    ),
    (
        "no timer",
        Answers(functions=(SUBMIT, SWEEP._replace(triggers=()))),
        "triggers",
        "no trigger often: nobody looks after",
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
    ("answers", "name", "line", "remedy"), [one[1:] for one in TROUBLES], ids=[t[0] for t in TROUBLES]
)
def test_what_is_out_of_place_is_one_bad_line_with_its_repair(answers: Answers, name: str, line: str, remedy: str):
    """Nothing else is called bad for it, and the exit code says trouble."""
    trouble = only(answers)

    assert (name, BAD) == trouble[:2]
    assert line in trouble.line
    assert remedy in trouble.remedy
    assert "\n" not in trouble.line + trouble.remedy
    assert exit_codes.TROUBLE == exit_code([trouble])


WARNINGS: tuple[tuple[str, Answers, str, str, str], ...] = (
    ("a clock a little off", Answers(timedelta(seconds=31)), "clock", "31 s ahead", "timedatectl"),
    ("an old runtime", submit_with(runtime="python3.9"), "functions", "runs on python3.9", "s deploy"),
    (
        "another value",
        submit_with(environment={**ENVIRONMENT, "CLIPSTITCH_WEBHOOK_A_SECRET": "whsec_x"}),
        "environment",
        "other values than s.yaml for CLIPSTITCH_WEBHOOK_A_SECRET",
        "s deploy",
    ),
    ("another letter box", submit_with(on_failure="acs:mns:y"), "give-ups", "goes to acs:mns:y", "s deploy"),
    ("another role", submit_with(role="acs:ram::1:role/x"), "roles", "has the role acs:ram::1:role/x", "s deploy"),
    ("a receiver gone", Answers(off=("oss://acme/x/hook.off",)), "webhooks", "hook is switched off", "ossutil rm oss:"),
    (
        "events owed",
        Answers(jobs=(OpenJob(JOB, NOW - timedelta(hours=9), timedelta(hours=3), ("hook",)),)),
        "open jobs",
        "telling hook",
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
    ("answers", "name", "line", "remedy"), [one[1:] for one in WARNINGS], ids=[t[0] for t in WARNINGS]
)
def test_what_wants_a_look_is_one_warning(answers: Answers, name: str, line: str, remedy: str):
    """Jobs succeed, so the exit code is that of success."""
    trouble = only(answers)

    assert (name, WARNING) == trouble[:2]
    assert line in trouble.line
    assert remedy in trouble.remedy
    assert exit_codes.OK == exit_code([trouble])


def test_a_settings_secret_is_never_shown():
    """Only names of variables that differ are."""
    trouble = only(submit_with(environment={**ENVIRONMENT, "CLIPSTITCH_WEBHOOK_A_SECRET": "whsec_x"}))

    assert "whsec_x" not in trouble.line + trouble.remedy


def loops(*triggers: Trigger, settings: Settings = WANTED.settings) -> list[str]:
    """Return what is said about loops when triggers are declared and deployed like this."""
    function = SUBMIT._replace(triggers=triggers)
    wanted = WANTED._replace(functions=(function, SWEEP), settings=settings)
    findings = found(Answers(functions=(function, SWEEP)), wanted)
    return [one.line for one in findings if one.name == "loops" and one.state == BAD]


LOOPS: tuple[tuple[str, Trigger, str], ...] = (
    ("all events", on_objects("", events=["oss:ObjectCreated:*"]), "every part of an upload: oss:ObjectCreated:*"),
    ("parts", on_objects("", events=["oss:ObjectCreated:UploadPart"]), "every part of an upload"),
    ("the whole bucket", on_objects(".json", ""), "own state (_clipstitch/), results (results/), outputs (anywhere)"),
    ("results", on_objects(".json", "results/manifests/"), "our own results (results/)"),
    ("state", on_objects(".json", "_clip"), "our own state (_clipstitch/), outputs (anywhere)"),
    ("outputs", on_objects(".json", "episodes/"), "our own outputs (anywhere)"),
)  # fmt: skip


@pytest.mark.parametrize(("trigger", "line"), [one[1:] for one in LOOPS], ids=[one[0] for one in LOOPS])
def test_a_trigger_that_would_start_us_on_our_own_objects_is_named(trigger: Trigger, line: str):
    """Even where s.yaml declares it so: the settings know what we write."""
    assert any(line in loop for loop in loops(*SUBMIT.triggers, trigger))


def test_a_trigger_that_is_declared_so_must_be_narrowed_first():
    """Deploying alone would bring it back."""
    wide = on_objects(".json", "")
    declared = SUBMIT._replace(triggers=(*SUBMIT.triggers, wide))
    wanted = WANTED._replace(functions=(declared, SWEEP))
    mine = [one for one in found(Answers(functions=(declared, SWEEP)), wanted) if one.name == "loops"]
    theirs = [one for one in found(Answers(functions=(declared, SWEEP))) if one.name == "loops"]

    assert ["narrow manifest.json in s.yaml, then: s deploy"] == [one.remedy for one in mine]
    assert ["s deploy"] == [one.remedy for one in theirs]


def test_outputs_elsewhere_are_no_loop():
    """Prefixes of outputs that a trigger cannot match, and buckets that it does not watch."""
    elsewhere = WANTED.settings._replace(output_prefixes=("out/",))
    other = on_objects(".json", "episodes/")._replace(source="acs:oss:cn-hangzhou:1:other")

    assert [] == loops(*SUBMIT.triggers, on_objects(".json", "episodes/"), settings=elsewhere)
    assert [] == loops(*SUBMIT.triggers, other)


def test_a_kind_of_manifest_that_no_trigger_watches_is_named():
    """Such uploads would wait for the sweep."""
    (line,) = loops(*SUBMIT.triggers[:-1])

    assert "no trigger watches oss://acme/manifests/ for .m3u8" in line


def test_a_trigger_elsewhere_leaves_the_settings_manifests_unwatched():
    """The settings' prefix counts, not that of s.yaml."""
    (line,) = loops(
        *SUBMIT.triggers, settings=WANTED.settings._replace(manifest_prefix="jobs/", output_prefixes=("out/",))
    )

    assert "no trigger watches oss://acme/jobs/ for .json" in line


def test_a_trigger_that_is_not_as_declared_says_in_what():
    """Prefix, suffix, events, source."""
    changed = SUBMIT.triggers[0]._replace(source="acs:oss:cn-hangzhou:1:other")
    lines = [one.line for one in found(submit_triggered_by(changed, *SUBMIT.triggers[1:])) if one.state == BAD]

    assert any(
        "has source 'acs:oss:cn-hangzhou:1:other', s.yaml says 'acs:oss:cn-hangzhou:1:acme'" in at for at in lines
    )


def test_with_a_refused_key_nothing_else_is_asked():
    """But for the clock, which needs no key, and is the usual reason."""
    findings = found(Answers(buckets={"acme": KeyRefused("SignatureDoesNotMatch: no")}))

    assert [OK, OK, BAD] == [one.state for one in findings[:3]]
    assert {SKIPPED} == {one.state for one in findings[3:]}
    assert "because the access key is refused" in findings[-1].line


def test_with_a_wrong_region_only_that_is_said():
    """What s.yaml says depends on the region, too."""
    findings = found(Answers(buckets={"acme": OtherRegion("OSS_ENDPOINT is in cn-beijing", "cn-beijing")}))

    assert [("region", "export OSS_REGION=cn-beijing")] == [
        (one.name, one.remedy) for one in findings if one.state == BAD
    ]
    assert [check.name for check in CHECKS] == [one.name for one in findings]


def test_without_the_bucket_everything_else_is_looked_at():
    """A missing bucket stops what needs it, and nothing more."""
    states = {one.name: one.state for one in found(Answers(buckets={}))}

    assert BAD == states["bucket"]
    assert {"region", "versioning", "binding", "open jobs", "webhooks"} == {
        n for n, s in states.items() if s == SKIPPED
    }
    assert {OK} == {states[name] for name in ("topic", "sinks", "dead letters", "functions", "triggers", "loops")}


@pytest.mark.parametrize(
    "why", [Wanted(SETTINGS, "LTAI", unread="s.yaml: no"), WANTED._replace(unasked={"FC": "s.yaml: no"})]
)
def test_functions_that_nobody_can_be_asked_about_are_not_looked_at(why: Wanted):
    """Without s.yaml, and without an address of Function Compute."""
    skipped = [one for one in found(Answers(), why._replace(dead_letters="dead")) if one.state == SKIPPED]

    assert ["functions", "environment", "give-ups", "roles", "triggers", "loops"] == [one.name for one in skipped]
    assert {"not looked at, because s.yaml: no"} == {one.line for one in skipped}


def test_a_function_that_cannot_be_asked_is_bad_and_the_others_are_looked_at():
    """Nobody knows how it stands."""
    findings = found(Answers(functions=CloudBusy("FC sleeps")))

    assert 2 == sum("FC sleeps" in one.line for one in findings if one.state == BAD)
    assert {"environment", "give-ups", "roles", "triggers", "loops"} == {o.name for o in findings if o.state == SKIPPED}


def test_a_bucket_beside_the_stack_is_made_by_hand():
    """The stack knows only the one for manifests."""
    wanted = WANTED._replace(settings=WANTED.settings._replace(state_bucket="state"))

    (missing,) = (one for one in found(Answers(), wanted) if one.state == BAD)

    assert ("bucket", "ossutil mb oss://state --region cn-hangzhou") == missing[::3]


def test_an_output_bucket_in_another_region_is_replaced():
    """Outputs cannot leave the region; the stack stays where it is."""
    wanted = WANTED._replace(settings=WANTED.settings._replace(output_buckets=("out",)))
    two = {"acme": Bucket("acme", "cn-hangzhou"), "out": Bucket("out", "cn-beijing")}
    trouble = only(Answers(buckets=two), wanted)

    assert "bucket out lies in cn-beijing, everything else in cn-hangzhou" == trouble.line
    assert trouble.remedy.startswith(
        "ossutil mb oss://out-cn-hangzhou --region cn-hangzhou; then name it in CLIPSTITCH_OUT"
    )


def test_an_output_bucket_with_versioning_is_a_warning():
    """Facts lie elsewhere; an output could be replaced."""
    wanted = WANTED._replace(settings=WANTED.settings._replace(output_buckets=("out",)))
    two = {"acme": Bucket("acme", "cn-hangzhou"), "out": Bucket("out", "cn-hangzhou", "Enabled")}
    (trouble,) = (one for one in found(Answers(buckets=two), wanted) if one.state != OK)

    assert ("versioning", WARNING) == trouble[:2]
    assert "bucket out" in trouble.line
    assert "then name it in CLIPSTITCH_OUTPUT_BUCKETS" in trouble.remedy


def test_a_versioned_bucket_with_its_state_elsewhere_is_a_warning():
    """The remedy that docs/operate.md knows."""
    wanted = WANTED._replace(settings=WANTED.settings._replace(state_bucket="state"))
    two = {"acme": Bucket("acme", "cn-hangzhou", "Enabled"), "state": Bucket("state", "cn-hangzhou")}
    findings = {one.name: one for one in found(Answers(buckets=two), wanted)}

    assert WARNING == findings["versioning"].state


def test_what_lies_in_a_bucket_of_another_region_is_not_looked_at():
    """IMM and the ledger would only repeat it in other words."""
    states = {one.name: one.state for one in found(bucket(region="cn-beijing"))}

    assert {"binding", "open jobs", "webhooks"} == {name for name, state in states.items() if state == SKIPPED}


def test_open_jobs_are_counted_with_the_oldest():
    """That is how a busy system looks, too."""
    jobs = (OpenJob(JOB, NOW - timedelta(minutes=4)), OpenJob(JOB, NOW))
    (line,) = (one.line for one in found(Answers(jobs=jobs)) if one.name == "open jobs")

    assert "2 are under way, the oldest 4 min old" == line


def test_without_settings_everything_else_is_skipped():
    """One bad line, and the rest says why."""
    findings = only_settings(bad("settings", "OSS_ENDPOINT is not set", "set it"))

    assert [check.name for check in CHECKS] == [one.name for one in findings]
    assert [BAD, SKIPPED] == [findings[0].state, findings[-1].state]


def test_functions_are_read_from_the_apis_documents():
    """A trigger's configuration is a text in 2023-03-30; nothing but the name must be there."""
    trigger = {
        "triggerName": "t",
        "triggerType": "oss",
        "sourceArn": "acs:oss:r:1:acme",
        "triggerConfig": '{"events": []}',
    }
    whole = read_function({"functionName": "f", "role": "r"}, {"destinationConfig": {}}, [trigger])

    assert ("f", "r", "", "acme", "") == (
        *whole[:1],
        whole.role,
        whole.on_failure,
        whole.triggers[0].bucket,
        whole.triggers[0].prefix,
    )
    assert Function("f") == read_function({"functionName": "f"}, {}, [])


ENDPOINTS: tuple[tuple[Callable[[], str], str], ...] = (
    (lambda: endpoint_of("FC", {"FC_ENDPOINT": "http://x"}, SETTINGS), "http://x"),
    (lambda: endpoint_of("FC", {}, SETTINGS), ""),
    (
        lambda: endpoint_of("FC", {}, SETTINGS._replace(oss_endpoint="https://oss-cn-hangzhou.aliyuncs.com")),
        "https://fcv3.cn-hangzhou.aliyuncs.com",
    ),
    (
        lambda: endpoint_of("IMM", {}, SETTINGS._replace(oss_endpoint="oss-cn-hangzhou.aliyuncs.com")),
        "https://imm.cn-hangzhou.aliyuncs.com",
    ),
)


@pytest.mark.parametrize(("endpoint", "expected"), ENDPOINTS)
def test_a_local_cloud_never_leads_to_the_real_one(endpoint: Callable[[], str], expected: str):
    """Addresses that nobody names are the vendor's only beside the vendor's OSS."""
    assert expected == endpoint()


def test_the_account_is_the_one_of_smqs_address():
    """An address without one is the local cloud's."""
    assert "1186202104331798" == account_in("https://1186202104331798.mns.cn-hangzhou.aliyuncs.com")
    assert "1234567890123456" == account_in("http://127.0.0.1:8080")


def test_a_webhook_is_not_called():
    """It has no topic or queue to look at."""
    hook = WANTED._replace(settings=WANTED.settings._replace(sinks=(Sink("hook", "webhook", "A"),)))

    (line,) = (one.line for one in found(Answers(), hook) if one.name == "sinks")

    assert "no topics or queues; 1 webhooks are not called" == line
