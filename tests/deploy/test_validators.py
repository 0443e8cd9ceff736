"""The deployment files pass every validator, and every validator reports its mutants."""

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from clipstitch.common.errors import AccessDenied, CloudBusy
from clipstitch.common.logging import log_error, log_event
from localyun.deploy.declared import BadDeployment
from localyun.deploy.ros_template import Stack, StackLocation
from localyun.deploy.serverless_devs import load_yaml
from tests.deploy import tools, validators
from tests.deploy.mutants import MUTANTS, Mutant
from tests.deploy.validators import Files, Serverless

Validate = Callable[[str, Files, Path], list[str]]
CONSTRAINTS = {"AllowedPattern", "AllowedValues", "MinValue", "MaxValue", "MinLength", "MaxLength"}


@pytest.fixture(scope="module")
def serverless(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Serverless]:
    """Return a function that sets up Serverless Devs on the first call."""
    return cache(lambda: Serverless(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="module")
def classes() -> Callable[[], dict[str, list[str]]]:
    """Return a function that checks all templates with the ROS classes on the first call."""

    @cache
    def complaints_by_template() -> dict[str, list[str]]:
        unchanged = Files.unchanged()
        mutants = [mutant for mutant in MUTANTS if mutant.validator == validators.CLASSES]
        templates = [unchanged.with_replacement(*mutant[1:4]).template for mutant in mutants]
        complaints = validators.ros_classes([unchanged.template, *templates])
        return dict(zip([unchanged.template, *templates], complaints, strict=True))

    return complaints_by_template


@pytest.fixture(scope="module")
def validate(serverless: Callable[[], Serverless], classes: Callable[[], dict[str, list[str]]]) -> Validate:
    """Return a function that returns the complaints of a validator about the files."""

    def validate(validator: str, files: Files, folder: Path) -> list[str]:
        template = yaml.safe_load(files.template)
        of_files: dict[str, Callable[[], list[str]]] = {
            validators.CLASSES: lambda: classes()[files.template],
            validators.TYPES: lambda: validators.ros_types(template),
            validators.LOCALYUN: lambda: validators.localyun(files.write(folder)),
            validators.VERIFY: lambda: serverless().verify(files.write(folder)),
        }
        if validator in of_files:
            return of_files[validator]()
        rendered, complaints = serverless().preview(files.write(folder))
        of_rendered: dict[str, Callable[[], list[str]]] = {
            validators.PREVIEW: list,
            validators.SCHEMA: lambda: validators.fc3_schema(rendered),
            validators.SDK: lambda: validators.fc_sdk(rendered, template),
            validators.CROSS: lambda: validators.cross_check(rendered, template, folder),
        }
        return complaints or of_rendered[validator]()

    return validate


@pytest.mark.parametrize("validator", validators.VALIDATORS)
def test_every_validator_accepts_the_deployment_files(validate: Validate, validator: str, tmp_path: Path) -> None:
    """The files are validated unchanged."""
    assert [] == validate(validator, Files.unchanged(), tmp_path)


@pytest.mark.parametrize("mutant", MUTANTS, ids=[f"{one.validator}: {one.name}" for one in MUTANTS])
def test_a_mutant_is_reported_by_its_validator(validate: Validate, mutant: Mutant, tmp_path: Path) -> None:
    """The complaint names what is wrong."""
    files = Files.unchanged().with_replacement(mutant.file, mutant.old, mutant.new)

    complaints = validate(mutant.validator, files, tmp_path)

    assert mutant.message in "\n".join(complaints)


def test_every_validator_has_mutants() -> None:
    """There are at least 25 mutants, and each validator reports at least one."""
    assert 25 <= len(MUTANTS)
    assert set(validators.VALIDATORS) == {mutant.validator for mutant in MUTANTS}


def test_the_documentation_lists_the_mutants() -> None:
    """The rows of docs/deploy-checks.md are in the order of the table."""
    text = (tools.ROOT / "docs" / "deploy-checks.md").read_text("utf-8")
    rows = [
        tuple(cell.strip() for cell in row)
        for row in re.findall(r"^\| (.+?) \| `(.+?)` \| (.+?) \|$", text, re.MULTILINE)
    ]

    assert [(one.name, one.file, one.validator) for one in MUTANTS] == rows


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"CLIPSTITCH_NEW_BUCKET": "false", "CLIPSTITCH_BUCKET": "existing-audio"},
        {"CLIPSTITCH_PREFIX": "staging", "OSS_REGION": "ap-southeast-1", "CLIPSTITCH_ALARM_POLICY": "mail-us"},
        {"CLIPSTITCH_ALARM_CONTACTS": "on call"},
    ],
)
def test_the_local_cloud_accepts_every_deployment_variant(variables: dict[str, str]) -> None:
    """A new bucket, an existing bucket, another prefix in another region, and alarms by contacts."""
    assert [] == validators.localyun(tools.ROOT, variables)


@pytest.mark.parametrize(
    ("name", "value", "description"),
    [
        ("CLIPSTITCH_PREFIX", "A", "Lower-case letters, digits and hyphens, 3 to 31, a letter first."),
        ("CLIPSTITCH_BUCKET", "-audio", "no hyphen at either end"),
        ("CLIPSTITCH_NEW_BUCKET", "maybe", "write true or false"),
    ],
)
def test_an_invalid_variable_is_refused_with_the_description_of_its_constraint(
    name: str, value: str, description: str
) -> None:
    """The description is in the template, and ROS shows it too."""
    [complaint] = validators.localyun(tools.ROOT, {name: value})

    assert description in complaint


# Invalid values of each parameter with a constraint.
INVALID: dict[str, tuple[Any, ...]] = {
    "Prefix": ("A", "ab", "1abc", "a" * 32, "a_b"),
    "BucketName": ("-audio", "ab", "AudioService", "a" * 64, "audio-"),
    "OutputPrefix": ("merged", "/merged/", "a b/", "**", ""),
    "OutputBucket": ("-audio", "ab", "AudioService", ""),
    "WorkDays": (1, 366, "many"),
    "LogDays": (0, 3651, "many"),
    "Runtime": ("python3.11", "nodejs20"),
    "CodePrefix": ("code", "/code/", "a b/"),
}


@pytest.mark.parametrize(("name", "value"), [(name, one) for name, values in INVALID.items() for one in values])
def test_an_invalid_parameter_is_refused_with_the_description_of_its_constraint(name: str, value: Any) -> None:
    """The constraint is a pattern, a range or a list of values."""
    template = load_yaml(tools.ROOT / "template.yml")
    description = template["Parameters"][name]["ConstraintDescription"]["en"]

    with pytest.raises(BadDeployment, match=f"^template.yml: Parameters.{name}: .*; {re.escape(description)}$"):
        Stack(template, {name: value}, StackLocation("1234567890123456", "cn-hangzhou", "clipstitch"))


def test_every_constraint_has_invalid_values() -> None:
    """A new constraint needs values here that violate it."""
    parameters = yaml.safe_load(Files.unchanged().template)["Parameters"]

    assert list(INVALID) == [name for name, spec in parameters.items() if CONSTRAINTS & set(spec)]


@pytest.mark.parametrize(
    ("recipients", "alarms"),
    [
        ({}, []),
        ({"AlarmPolicy": "none", "AlarmContacts": "none"}, []),
        ({"AlarmPolicy": "", "AlarmContacts": ""}, []),
        ({"AlarmPolicy": "mail-us"}, ["FailureAlarm", "FailedJobAlarm", "AttentionAlarm"]),
        ({"AlarmContacts": "on call"}, ["DeadLetterAlarm"]),
    ],
)
def test_alarms_are_created_only_for_given_recipients(recipients: dict[str, str], alarms: list[str]) -> None:
    """A policy creates the alarms from logs, and contacts create the alarm for dead-letter messages."""
    template = load_yaml(tools.ROOT / "template.yml")
    resources = Stack(template, recipients, StackLocation("1234567890123456", "cn-hangzhou", "clipstitch")).resources()

    assert alarms == [resource.logical_id for resource in resources if resource.logical_id.endswith("Alarm")]


def test_no_parameter_is_empty() -> None:
    """It is not known whether ROS takes a parameter without a value for a missing one."""
    files = Files.unchanged()
    passed = yaml.safe_load(files.serverless)["resources"]["infra"]["props"]["parameters"]
    defaults = dict(re.findall(r"^  (\w+): \$\{env\('\w+', '([^']*)'\)\}$", files.serverless, re.MULTILINE))
    used = {name: defaults[text.removeprefix("${vars.").removesuffix("}")] for name, text in passed.items()}

    assert {"Prefix", "BucketName", "NewBucket", "OutputPrefix", "OutputBucket", "AlarmPolicy", "AlarmContacts"} == set(
        used
    )
    assert all(used.values())


def alarm_queries() -> dict[str, str]:
    """Return the log query of each alarm."""
    resources = yaml.safe_load(Files.unchanged().template)["Resources"]
    alerts = {name: r["Properties"]["Detail"] for name, r in resources.items() if r["Type"] == "ALIYUN::SLS::Alert"}
    return {name: detail["Configuration"]["QueryList"][0]["Query"] for name, detail in alerts.items()}


def matches(query: str, line: str) -> bool:
    """Return True if a query matches a line. The index splits lines into words; a quoted part needs all its words."""
    index = yaml.safe_load(Files.unchanged().template)["Resources"]["LogIndex"]["Properties"]["FullTextIndex"]
    assert index["CaseSensitive"]  # or every line with the word "error" would match ERROR
    words = set(re.split(f"[{re.escape(index['Delimiter'])}]+", line))
    return any(
        all(set(part.strip(' "').split()) <= words for part in choice.split(" and ")) for choice in query.split(" or ")
    )


def logged(caplog: pytest.LogCaptureFixture, log: Callable[[], None]) -> str:
    """Return the line that a call logs."""
    with caplog.at_level("DEBUG"):
        log()
    return caplog.messages[-1]


@pytest.mark.parametrize(
    ("alarm", "log"),
    [
        ("FailedJobAlarm", lambda: log_event("job-closed", job="20260102T030405Z-0123456789ab", state="failed")),
        (
            "AttentionAlarm",
            lambda: log_error("recovery-failed", AccessDenied("no"), job="20260102T030405Z-0123456789ab"),
        ),
        ("AttentionAlarm", lambda: log_error("recovery-failed", ZeroDivisionError("division by zero"))),
        ("AttentionAlarm", lambda: log_event("sink-given-up", "ERROR", sink="events", code="X", message="an error")),
    ],
)
def test_a_log_line_triggers_exactly_its_alarm(
    alarm: str, log: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    """No other alarm matches the line that the functions log."""
    line = logged(caplog, log)

    assert [alarm] == [name for name, query in alarm_queries().items() if matches(query, line)]


def test_an_unhandled_error_of_the_runtime_triggers_its_alarm() -> None:
    """The runtime, not the function, writes this line."""
    line = "2026-01-02 03:04:05 1-2-3 [ERROR] Unhandled function error: Traceback"

    assert ["FailureAlarm"] == [name for name, query in alarm_queries().items() if matches(query, line)]


@pytest.mark.parametrize(
    "log",
    [
        lambda: log_event("job-closed", job="20260102T030405Z-0123456789ab", state="succeeded"),
        lambda: log_event("job-closed", job="20260102T030405Z-0123456789ab", state="rejected"),
        lambda: log_event("delivery-failed", "WARNING", code="WEBHOOK_ANSWER", message="an error"),
        lambda: log_error("recovery-failed", CloudBusy("an internal error")),
    ],
)
def test_what_needs_no_attention_triggers_no_alarm(log: Callable[[], None], caplog: pytest.LogCaptureFixture) -> None:
    """A rejected manifest is reported to its author only; a busy cloud is retried."""
    line = logged(caplog, log)

    assert not any(matches(query, line) for query in alarm_queries().values())


def test_only_the_bucket_is_kept_when_the_stack_is_deleted() -> None:
    """The bucket has the users' audio."""
    resources = yaml.safe_load(Files.unchanged().template)["Resources"]

    kept = [name for name, resource in resources.items() if resource.get("DeletionPolicy") == "Retain"]
    assert ["Bucket"] == kept
    assert "VersioningConfiguration" not in resources["Bucket"]["Properties"]


def test_new_roles_are_used_only_after_a_pause() -> None:
    """A role takes effect some seconds after its creation; the pause follows every role that the stack itself uses."""
    resources = yaml.safe_load(Files.unchanged().template)["Resources"]
    [pause] = [name for name, resource in resources.items() if resource["Type"] == "ALIYUN::ROS::Sleep"]
    users = {
        name: re.findall(r"'Fn::GetAtt': \['(\w+Role)'", str(resource))
        for name, resource in resources.items()
        if "Condition" not in resource
    }
    used = {name: roles for name, roles in users.items() if roles}

    assert {"ImmProject": ["ImmRole"], "AttachFunction": ["AttachRole"]} == used
    assert {pause} == {resources[name]["DependsOn"] for name in used}
    assert sorted(role for roles in used.values() for role in roles) == sorted(resources[pause]["DependsOn"])
    assert 10 <= resources[pause]["Properties"]["CreateDuration"]


def test_every_parameter_is_described() -> None:
    """Each has a label, a default and a group, and each constraint has a description."""
    parameters = yaml.safe_load(Files.unchanged().template)["Parameters"]
    grouped = yaml.safe_load(Files.unchanged().template)["Metadata"]["ALIYUN::ROS::Interface"]["ParameterGroups"]

    for name, spec in parameters.items():
        assert {"Type", "Default", "Label"} <= set(spec), name
        assert bool(CONSTRAINTS & set(spec)) == ("ConstraintDescription" in spec), name
    assert list(parameters) == [name for group in grouped for name in group["Parameters"]]


def test_the_installed_serverless_devs_is_the_pinned_version() -> None:
    """The version is that in package.json."""
    tools.require(tools.SERVERLESS, "Serverless Devs")
    wanted = json.loads((Path(__file__).parent / "package.json").read_text())["dependencies"]["@serverless-devs/s"]

    assert wanted == json.loads((tools.SERVERLESS.parent.parent / "package.json").read_text())["version"]
