"""The deployment files as others judge them, and proof that each judge would notice a mistake."""

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from localyun.deploy.declared import BadDeployment
from localyun.deploy.ros_template import Place, Stack
from localyun.deploy.serverless_devs import load_yaml
from tests.deploy import tools, validators
from tests.deploy.mistakes import MISTAKES, Mistake
from tests.deploy.validators import Files, Serverless

Caught = Callable[[str, Files, Path], list[str]]
CONSTRAINTS = {"AllowedPattern", "AllowedValues", "MinValue", "MaxValue", "MinLength", "MaxLength"}


@pytest.fixture(scope="module")
def serverless(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Serverless]:
    """Set Serverless Devs up when somebody asks for it."""
    return cache(lambda: Serverless(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="module")
def classes() -> Callable[[], dict[str, list[str]]]:
    """Judge all templates by ROS's classes in one go, when somebody asks for it."""

    @cache
    def judged() -> dict[str, list[str]]:
        unchanged = Files.unchanged()
        mine = [mistake for mistake in MISTAKES if mistake.validator == validators.CLASSES]
        templates = [unchanged.with_mistake(*mistake[1:4]).template for mistake in mine]
        complaints = validators.ros_classes([unchanged.template, *templates])
        return dict(zip([unchanged.template, *templates], complaints, strict=True))

    return judged


@pytest.fixture(scope="module")
def judge(serverless: Callable[[], Serverless], classes: Callable[[], dict[str, list[str]]]) -> Caught:
    """Give files to one validator, and return its complaints."""

    def complaints(validator: str, files: Files, folder: Path) -> list[str]:
        template = yaml.safe_load(files.template)
        alone = {
            validators.CLASSES: lambda: classes()[files.template],
            validators.TYPES: lambda: validators.ros_types(template),
            validators.LOCALYUN: lambda: validators.localyun(files.put(folder)),
            validators.VERIFY: lambda: serverless().verify(files.put(folder)),
        }
        if validator in alone:
            return alone[validator]()
        rendered, complaints = serverless().preview(files.put(folder))
        of_rendered = {
            validators.PREVIEW: list,
            validators.SCHEMA: lambda: validators.fc3_schema(rendered),
            validators.SDK: lambda: validators.fc_sdk(rendered, template),
            validators.CROSS: lambda: validators.cross_check(rendered, template, folder),
        }
        return complaints or of_rendered[validator]()

    return complaints


@pytest.mark.parametrize("validator", validators.VALIDATORS)
def test_no_validator_complains_of_the_files_as_they_are(judge: Caught, validator: str, tmp_path: Path) -> None:
    """Unchanged, not tidied up for the validator."""
    assert [] == judge(validator, Files.unchanged(), tmp_path)


@pytest.mark.parametrize("mistake", MISTAKES, ids=[f"{one.validator}: {one.what}" for one in MISTAKES])
def test_a_mistake_is_caught_by_its_validator(judge: Caught, mistake: Mistake, tmp_path: Path) -> None:
    """By the one that the table names, with a word on what is wrong."""
    files = Files.unchanged().with_mistake(mistake.file, mistake.old, mistake.new)

    complaints = judge(mistake.validator, files, tmp_path)

    assert mistake.told in "\n".join(complaints)


def test_there_are_enough_mistakes_and_every_validator_catches_some() -> None:
    """A validator that catches nothing would not be worth its time."""
    assert 25 <= len(MISTAKES)
    assert set(validators.VALIDATORS) == {mistake.validator for mistake in MISTAKES}


def test_the_documentation_has_the_same_table() -> None:
    """docs/deploy-checks.md, line by line."""
    text = (tools.ROOT / "docs" / "deploy-checks.md").read_text("utf-8")
    rows = [
        tuple(cell.strip() for cell in row)
        for row in re.findall(r"^\| (.+?) \| `(.+?)` \| (.+?) \|$", text, re.MULTILINE)
    ]

    assert [(one.what, one.file, one.validator) for one in MISTAKES] == rows


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"CLIPSTITCH_NEW_BUCKET": "false", "CLIPSTITCH_BUCKET": "somebodys-audio"},
        {"CLIPSTITCH_PREFIX": "staging", "OSS_REGION": "ap-southeast-1", "CLIPSTITCH_ALARM_POLICY": "mail-us"},
        {"CLIPSTITCH_ALARM_CONTACTS": "on call"},
    ],
)
def test_the_local_cloud_reads_every_way_to_deploy(variables: dict[str, str]) -> None:
    """A new bucket, an existing one, another environment in another region."""
    assert [] == validators.localyun(tools.ROOT, variables)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("CLIPSTITCH_PREFIX", "A", "Lower-case letters, digits and hyphens, 3 to 31, a letter first."),
        ("CLIPSTITCH_BUCKET", "-audio", "no hyphen at either end"),
        ("CLIPSTITCH_NEW_BUCKET", "maybe", "write true or false"),
    ],
)
def test_a_variable_out_of_range_is_refused_with_the_templates_own_words(name: str, value: str, told: str) -> None:
    """The constraint's description, as ROS would show it."""
    [complaint] = validators.localyun(tools.ROOT, {name: value})

    assert told in complaint


# What each parameter must not be.
OUT_OF_RANGE: dict[str, tuple[Any, ...]] = {
    "Prefix": ("A", "ab", "1abc", "a" * 32, "a_b"),
    "BucketName": ("-audio", "ab", "AudioService", "a" * 64, "audio-"),
    "WorkDays": (1, 366, "many"),
    "LogDays": (0, 3651, "many"),
    "Runtime": ("python3.11", "nodejs20"),
    "CodePrefix": ("code", "/code/", "a b/"),
}


@pytest.mark.parametrize(("name", "value"), [(name, one) for name, values in OUT_OF_RANGE.items() for one in values])
def test_a_parameter_out_of_range_is_refused_with_the_templates_own_words(name: str, value: Any) -> None:
    """Whatever its constraint is: a pattern, a range, a list."""
    template = load_yaml(tools.ROOT / "template.yml")
    told = template["Parameters"][name]["ConstraintDescription"]["en"]

    with pytest.raises(BadDeployment, match=f"^template.yml: Parameters.{name}: .*; {re.escape(told)}$"):
        Stack(template, {name: value}, Place("1234567890123456", "cn-hangzhou", "clipstitch"))


def test_every_constraint_is_tried() -> None:
    """None is added without a value that breaks it."""
    parameters = yaml.safe_load(Files.unchanged().template)["Parameters"]

    assert list(OUT_OF_RANGE) == [name for name, spec in parameters.items() if CONSTRAINTS & set(spec)]


# Alarms


@pytest.mark.parametrize(
    ("recipients", "alarms"),
    [
        ({}, []),
        ({"AlarmPolicy": "mail-us"}, ["FailureAlarm", "FailedJobAlarm", "AttentionAlarm"]),
        ({"AlarmContacts": "on call"}, ["DeadLetterAlarm"]),
    ],
)
def test_alarms_are_made_for_whoever_names_a_recipient(recipients: dict[str, str], alarms: list[str]) -> None:
    """And the stack is the same otherwise."""
    template = load_yaml(tools.ROOT / "template.yml")
    made = Stack(template, recipients, Place("1234567890123456", "cn-hangzhou", "clipstitch")).resources()

    assert alarms == [resource.logical_id for resource in made if resource.logical_id.endswith("Alarm")]


def alarm_queries() -> dict[str, str]:
    """Return what each alarm looks for in the log."""
    resources = yaml.safe_load(Files.unchanged().template)["Resources"]
    alerts = {name: r["Properties"]["Detail"] for name, r in resources.items() if r["Type"] == "ALIYUN::SLS::Alert"}
    return {name: detail["Configuration"]["QueryList"][0]["Query"] for name, detail in alerts.items()}


def finds(query: str, line: str) -> bool:
    """Ask a query of a line: the index cuts it at its delimiters; a quoted part asks for all of its words."""
    resources = yaml.safe_load(Files.unchanged().template)["Resources"]
    delimiters = re.escape(resources["LogIndex"]["Properties"]["FullTextIndex"]["Delimiter"])
    words = set(re.split(f"[{delimiters}]+", line.lower()))
    return any(
        all(set(part.strip(' "').lower().split()) <= words for part in choice.split(" and "))
        for choice in query.split(" or ")
    )


@pytest.mark.parametrize(
    ("alarm", "line"),
    [
        ("FailedJobAlarm", {"event": "job-closed", "job": "20260102T030405Z-0123456789ab", "state": "failed"}),
        ("AttentionAlarm", {"event": "sweep-trouble", "job": "20260102T030405Z-0123456789ab", "code": "X"}),
        ("AttentionAlarm", {"event": "sink-refused", "sink": "events"}),
        ("AttentionAlarm", {"event": "sink-switched-off", "sink": "partner"}),
        ("AttentionAlarm", {"event": "sink-gone", "sink": "partner"}),
        ("FailureAlarm", "2026-01-02 03:04:05 1-2-3 [ERROR] Unhandled function error: Traceback"),
    ],
)
def test_an_alarm_finds_the_line_that_it_is_for(alarm: str, line: object) -> None:
    """And no other does."""
    text = line if isinstance(line, str) else json.dumps(line)

    assert [alarm] == [name for name, query in alarm_queries().items() if finds(query, text)]


@pytest.mark.parametrize("state", ["succeeded", "rejected"])
def test_a_job_that_ends_otherwise_alarms_nobody(state: str) -> None:
    """A mistake in a manifest is its author's business."""
    line = json.dumps({"event": "job-closed", "job": "20260102T030405Z-0123456789ab", "state": state})

    assert not any(finds(query, line) for query in alarm_queries().values())


def test_the_users_audio_survives_the_removal_of_the_stack() -> None:
    """The bucket is kept, and nothing else is."""
    resources = yaml.safe_load(Files.unchanged().template)["Resources"]

    kept = [name for name, resource in resources.items() if resource.get("DeletionPolicy") == "Retain"]
    assert ["Bucket"] == kept
    assert "VersioningConfiguration" not in resources["Bucket"]["Properties"]


def test_every_parameter_explains_itself() -> None:
    """A label, a default, and its constraint in words if it has one."""
    parameters = yaml.safe_load(Files.unchanged().template)["Parameters"]
    grouped = yaml.safe_load(Files.unchanged().template)["Metadata"]["ALIYUN::ROS::Interface"]["ParameterGroups"]

    for name, spec in parameters.items():
        assert {"Type", "Default", "Label"} <= set(spec), name
        assert bool(CONSTRAINTS & set(spec)) == ("ConstraintDescription" in spec), name
    assert list(parameters) == [name for group in grouped for name in group["Parameters"]]


def test_the_program_is_the_pinned_one() -> None:
    """What is installed is what package.json says."""
    tools.need(tools.SERVERLESS, "Serverless Devs")
    wanted = json.loads((Path(__file__).parent / "package.json").read_text())["dependencies"]["@serverless-devs/s"]

    assert wanted == json.loads((tools.SERVERLESS.parent.parent / "package.json").read_text())["version"]
