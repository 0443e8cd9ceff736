"""docs/deploy.md is true: its commands, variables, parameters, outputs, names and figures are those of the files."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from clipstitch.adapters.memory import tone
from clipstitch.common.identifiers import ManifestRef
from clipstitch.usecases.settings import Settings
from clipstitch.usecases.submit import plan_for
from clipstitch_cli.costs.estimates import estimate
from clipstitch_cli.costs.prices import NOTES, PRICES, PriceList
from clipstitch_cli.main import app
from localyun.deploy.project import read
from localyun.deploy.ros_template import Stack, StackLocation
from localyun.deploy.serverless_devs import load_yaml
from tests.world import MANIFEST, World

ROOT = Path(__file__).parents[3]
PAGE, S_YAML, TEMPLATE = ROOT / "docs" / "deploy.md", ROOT / "s.yaml", ROOT / "template.yml"
JOB = "20260102T030405Z-0123456789ab"
ACCOUNT = "1234567890123456"


def page() -> str:
    """Return the page."""
    return PAGE.read_text("utf-8")


def rows(heading: str) -> list[tuple[str, ...]]:
    """Return the cells of the table whose first column has this heading."""
    table = page().partition(f"\n| {heading} |")[2].partition("\n\n")[0]
    lines = table.split("\n")[2:]
    return [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in lines]


def code(text: str) -> str:
    """Return a cell without its ticks."""
    return text.strip("` ")


def template() -> dict[str, Any]:
    """Return the template."""
    loaded: dict[str, Any] = yaml.safe_load(TEMPLATE.read_text("utf-8"))
    return loaded


# Variables, parameters, outputs


def test_every_variable_of_the_deployment_is_on_the_page_with_its_default():
    """And no other."""
    declared = dict(re.findall(r"\$\{env\('(\w+)', '([^']*)'\)\}", S_YAML.read_text("utf-8")))
    told = {code(name): "" if default == "none" else code(default) for name, default, _ in rows("variable")}

    assert declared == told


def test_every_parameter_of_the_template_is_on_the_page():
    """With the variable that becomes it, or else its default."""
    passed = {
        name: re.sub(r"\$\{vars\.(\w+)\}", r"\1", text)
        for name, text in yaml.safe_load(S_YAML.read_text("utf-8"))["resources"]["infra"]["props"]["parameters"].items()
    }
    variables = yaml.safe_load(S_YAML.read_text("utf-8"))["vars"]
    wanted = {
        name: re.findall(r"env\('(\w+)'", variables[passed[name]])[0] if name in passed else _plain(spec["Default"])
        for name, spec in template()["Parameters"].items()
    }

    assert wanted == {code(name): code(source) for name, source, *_ in rows("parameter")}


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value) or "none"


def test_every_output_on_the_page_is_the_templates():
    """Those that are named in words, too."""
    outputs = set(template()["Outputs"])
    said = page().partition("The stack's outputs")[2].partition("\n\n")[0]

    assert set(re.findall(r"`(\w+)`", said)) <= outputs
    assert "stack output AccountId" in page()
    assert "AccountId" in outputs


def test_every_setting_on_the_page_is_one():
    """A variable that nobody reads would be followed in vain."""
    known = S_YAML.read_text("utf-8") + (ROOT / "docs" / "settings.md").read_text("utf-8")
    cli = "".join(file.read_text("utf-8") for file in (ROOT / "cli" / "clipstitch_cli").glob("*.py"))
    named = set(re.findall(r"\b((?:CLIPSTITCH|OSS|MNS|IMM|FC|ROS|ALIBABA_CLOUD)_[A-Z_]+)\b", page()))

    assert {
        name for name in named if name not in known + cli + (ROOT / "localyun" / "deploy" / "project.py").read_text()
    } == set()
    assert "state_bucket" in Settings._fields


# Names


def names(prefix: str) -> list[str]:
    """Return the name of everything that a deployment with a prefix makes."""
    env = {"CLIPSTITCH_PREFIX": prefix, "CLIPSTITCH_BUCKET": f"{prefix}-audio"}
    asked = {"Prefix": prefix, "BucketName": f"{prefix}-audio", "AlarmPolicy": "p", "AlarmContacts": "c"}
    stack = Stack(load_yaml(TEMPLATE), asked, StackLocation(ACCOUNT, "cn-hangzhou", prefix))
    found = [name for resource in stack.resources() for name in _names_of(resource.properties)]
    return [*found, *(function.name for function in read(ROOT, env).functions)]


def _names_of(properties: Any) -> list[str]:
    """Return what a resource is called; of what belongs to another, such as a log store, the owner has the name."""
    keys = ("BucketName", "ProjectName", "TopicName", "QueueName", "RoleName", "FunctionName", "Name", "RuleId")
    detail = properties.get("Detail", {}).get("Name")
    owned = "LogstoreName" in properties or "FullTextIndex" in properties
    return [detail] if detail else [properties[key] for key in keys if key in properties and not owned]


def test_everything_that_is_created_is_on_the_page():
    """By its name, with the default prefix."""
    told = [code(name).replace("ACCOUNT", ACCOUNT) for name, _ in rows("name")]

    assert {*names("clipstitch")} - {"clipstitch-audio"} == {*told}


def test_two_environments_of_one_account_share_no_name():
    """Whatever is named after the prefix, and nothing is named otherwise."""
    one, other = names("staging"), names("production")

    assert len(one) == len(other) > 15
    assert set() == set(one) & set(other)
    assert all(name.startswith("staging") for name in one)


def test_two_environments_have_the_same_parts():
    """They differ in names alone: the same deployment, read with two prefixes."""
    one, other = (
        read(ROOT, {"CLIPSTITCH_PREFIX": name, "CLIPSTITCH_BUCKET": f"{name}-audio"}) for name in ("aaa", "bbb")
    )
    places = [str(deployment).replace("aaa", "PREFIX").replace("bbb", "PREFIX") for deployment in (one, other)]

    assert places[0] == places[1]
    assert "aaa" not in str(other)


def test_the_users_bucket_stays():
    """As the page promises of `s remove`."""
    assert "Retain" == template()["Resources"]["Bucket"]["DeletionPolicy"]
    assert "`DeletionPolicy: Retain`" in page()


# Commands


def commands() -> list[list[str]]:
    """Return every use of our command in a block of the page, or within a line, as words."""
    blocks = re.findall(r"```sh\n(.*?)```", page(), re.DOTALL)
    lines = [line.partition(" # ")[0] for block in blocks for line in block.splitlines()]
    lines += re.findall(r"`(clipstitch [^`]+)`", page())
    found = [re.search(r"(?:^|\s|/)clipstitch (.+)", line) for line in lines if "export" not in line]
    return [shlex.split(match[1]) for match in found if match]


def test_every_command_on_the_page_exists():
    """With its options."""
    group = typer.main.get_command(app)
    used = commands()
    known: dict[str, Any] = group.commands  # type: ignore[attr-defined] # an app with several commands is a group

    assert {"put", "plan", "drop", "jobs", "doctor"} <= {words[0] for words in used}
    for name, *rest in used:
        options = {option for parameter in known[name].params for option in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= options, (name, rest)


def test_every_file_that_the_page_names_is_there():
    """Links, and what commands are given."""
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page())
    given = {word for words in commands() for word in words if word.startswith("examples/")}

    assert [] == [link for link in links if not (PAGE.parent / link).exists()]
    assert [] == [pattern for pattern in given if not list(ROOT.glob(pattern))]


def test_links_within_the_docs_lead_to_headings():
    """Here and in the operating guide, which leads here."""
    heads = {
        re.sub(r"[^a-z0-9 -]", "", line[3:].lower()).replace(" ", "-")
        for line in page().splitlines()
        if line[:3] == "## "
    }
    operate = (ROOT / "docs" / "operate.md").read_text("utf-8")
    wanted = {*re.findall(r"\]\(#([\w-]+)\)", page()), *re.findall(r"deploy\.md#([\w-]+)", operate)}

    assert wanted <= heads


def test_the_pinned_program_is_the_one_on_the_page():
    """Which the tests of deployment run."""
    pinned = json.loads((ROOT / "tests" / "deploy" / "package.json").read_text())["dependencies"]["@serverless-devs/s"]

    assert f"@serverless-devs/s@{pinned}" in page()


# Costs


@pytest.mark.parametrize("row", rows("clips a job"), ids=lambda row: f"{row[0]} clips")
def test_the_quantities_are_what_plan_counts(row: tuple[str, ...]):
    """For a thousand jobs."""
    count = int(row[0])
    world = World()
    keys = [world.put(f"{number}.mp3", tone(60.0, name=str(number))).key for number in range(count)]
    document = json.dumps({"version": 1, "output": {"key": "o.mp3"}, "clips": keys})
    made = estimate(plan_for(JOB, ManifestRef(MANIFEST, "E"), document.encode(), world.cloud()), 0, PriceList())
    each = (made.tasks, made.processed_s / 60, made.requests.put_type, made.requests.get_type, made.requests.smq)
    invocations = 1 + made.tasks

    assert [f"{round(1000 * quantity):,}" for quantity in (*each, invocations)] == list(row[1:])


def test_prices_are_looked_up_where_the_command_looks_them_up():
    """The same pages and dates; and no price."""
    table = page().partition("| item | quantity |")[2].partition("\n\n")[0]
    for price in PRICES:
        product, _, name = price.source.partition(", ")
        assert f'{product}, "{name}" ({price.dated})' in table, price
    assert NOTES["smq"].replace("million requests", "million") in table.replace("of a month", "of a month")
    assert not re.search(r"[$¥€]\s?\d|USD|CNY", page())
