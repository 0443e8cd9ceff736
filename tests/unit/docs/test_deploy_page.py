"""docs/deploy.md is accurate: its commands, variables, parameters, outputs, names and quantities match the files."""

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
from clipstitch.usecases.plan_job import plan_for
from clipstitch.usecases.settings import Settings
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
    """Return the text of docs/deploy.md."""
    return PAGE.read_text("utf-8")


def rows(heading: str) -> list[tuple[str, ...]]:
    """Return the cells of the table with this heading in its first column."""
    table = page().partition(f"\n| {heading} |")[2].partition("\n\n")[0]
    lines = table.split("\n")[2:]
    return [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in lines]


def code(text: str) -> str:
    """Return the content of a cell without backticks."""
    return text.strip("` ")


def template() -> dict[str, Any]:
    """Return the parsed template.yml."""
    loaded: dict[str, Any] = yaml.safe_load(TEMPLATE.read_text("utf-8"))
    return loaded


# Variables, parameters, outputs


def test_every_variable_of_the_deployment_is_on_the_page_with_its_default() -> None:
    """No other variable is on the page."""
    declared = dict(re.findall(r"\$\{env\('(\w+)', '([^']*)'\)\}", S_YAML.read_text("utf-8")))
    listed = {code(name): "" if default == "none" else code(default) for name, default, _ in rows("variable")}

    assert declared == listed


def test_every_parameter_of_the_template_is_on_the_page() -> None:
    """Each row has the variable that sets the parameter, or else its default."""
    passed = {
        name: re.sub(r"\$\{vars\.(\w+)\}", r"\1", text)
        for name, text in yaml.safe_load(S_YAML.read_text("utf-8"))["resources"]["infra"]["props"]["parameters"].items()
    }
    variables = yaml.safe_load(S_YAML.read_text("utf-8"))["vars"]
    expected = {
        name: re.findall(r"env\('(\w+)'", variables[passed[name]])[0] if name in passed else _default(spec["Default"])
        for name, spec in template()["Parameters"].items()
    }

    assert expected == {code(name): code(source) for name, source, *_ in rows("parameter")}


def _default(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value) or "none"


def test_every_output_on_the_page_is_in_the_template() -> None:
    """Outputs that the text mentions are included."""
    outputs = set(template()["Outputs"])
    paragraph = page().partition("The stack's outputs")[2].partition("\n\n")[0]

    assert set(re.findall(r"`(\w+)`", paragraph)) <= outputs
    assert "stack output AccountId" in page()
    assert "AccountId" in outputs


# Serverless Devs reads it (its ros component, `src/impl/ros.ts`), not a file of this project.
READ_BY_THE_TOOL = {"FC_CLIENT_READ_TIMEOUT"}


def test_every_setting_on_the_page_exists() -> None:
    """A variable on the page that no file reads would have no effect."""
    files = [S_YAML, ROOT / "docs" / "settings.md", ROOT / "localyun" / "deploy" / "project.py"]
    files += (ROOT / "cli" / "clipstitch_cli").glob("*.py")
    known = "".join(file.read_text("utf-8") for file in files)
    named = set(re.findall(r"\b((?:CLIPSTITCH|OSS|MNS|IMM|FC|ROS|ALIBABA_CLOUD)_[A-Z_]+)\b", page()))

    assert READ_BY_THE_TOOL == {name for name in named if name not in known}
    assert "state_bucket" in Settings._fields


# Names


def names(prefix: str) -> list[str]:
    """Return the names of all resources that a deployment with a prefix creates."""
    env = {"CLIPSTITCH_PREFIX": prefix, "CLIPSTITCH_BUCKET": f"{prefix}-audio"}
    parameters = {"Prefix": prefix, "BucketName": f"{prefix}-audio", "AlarmPolicy": "p", "AlarmContacts": "c"}
    stack = Stack(load_yaml(TEMPLATE), parameters, StackLocation(ACCOUNT, "cn-hangzhou", prefix))
    from_template = [name for resource in stack.resources() for name in _names_of(resource.properties)]
    return [*from_template, *(function.name for function in read(ROOT, env).functions)]


def _names_of(properties: Any) -> list[str]:
    """Return the name of a resource; a part of another resource, such as a log store, has none of its own."""
    keys = ("BucketName", "ProjectName", "TopicName", "QueueName", "RoleName", "FunctionName", "Name", "RuleId")
    detail = properties.get("Detail", {}).get("Name")
    is_part = "LogstoreName" in properties or "FullTextIndex" in properties
    return [detail] if detail else [properties[key] for key in keys if key in properties and not is_part]


def test_every_created_resource_is_on_the_page() -> None:
    """The names are those of the default prefix."""
    listed = [code(name).replace("ACCOUNT", ACCOUNT) for name, _ in rows("name")]

    assert {*names("clipstitch")} - {"clipstitch-audio"} == {*listed}


def test_two_environments_of_one_account_have_no_name_in_common() -> None:
    """Every name starts with the prefix."""
    one, other = names("staging"), names("production")

    assert len(one) == len(other) > 15
    assert set() == set(one) & set(other)
    assert all(name.startswith("staging") for name in one)


def test_two_environments_differ_only_in_names() -> None:
    """The deployment is the same with two prefixes, except for the names."""
    one, other = (
        read(ROOT, {"CLIPSTITCH_PREFIX": name, "CLIPSTITCH_BUCKET": f"{name}-audio"}) for name in ("aaa", "bbb")
    )
    texts = [str(deployment).replace("aaa", "PREFIX").replace("bbb", "PREFIX") for deployment in (one, other)]

    assert texts[0] == texts[1]
    assert "aaa" not in str(other)


def test_removing_the_stack_keeps_the_users_bucket() -> None:
    """The template and the page both say that `s remove` retains the bucket."""
    assert "Retain" == template()["Resources"]["Bucket"]["DeletionPolicy"]
    assert "`DeletionPolicy: Retain`" in page()


# Commands


def commands() -> list[list[str]]:
    """Return the arguments of every clipstitch command in a code block or in a line of the page."""
    blocks = re.findall(r"```sh\n(.*?)```", page(), re.DOTALL)
    lines = [line.partition(" # ")[0] for block in blocks for line in block.splitlines()]
    lines += re.findall(r"`(clipstitch [^`]+)`", page())
    matches = [re.search(r"(?:^|\s|/)clipstitch (.+)", line) for line in lines if "export" not in line]
    return [shlex.split(match[1]) for match in matches if match]


def test_every_command_on_the_page_exists() -> None:
    """Every option on the page exists, too."""
    group = typer.main.get_command(app)
    used = commands()
    known: dict[str, Any] = group.commands  # type: ignore[attr-defined] # an app with several commands is a click.Group

    assert {"put", "plan", "drop", "jobs", "doctor"} <= {words[0] for words in used}
    for name, *rest in used:
        options = {option for parameter in known[name].params for option in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= options, (name, rest)


def test_every_file_on_the_page_exists() -> None:
    """Link targets and file arguments of commands are checked."""
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page())
    arguments = {word for words in commands() for word in words if word.startswith("examples/")}

    assert [] == [link for link in links if not (PAGE.parent / link).exists()]
    assert [] == [pattern for pattern in arguments if not list(ROOT.glob(pattern))]


def test_every_link_to_a_heading_of_the_page_has_a_target() -> None:
    """Links from the page itself and from docs/operate.md are checked."""
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in page().splitlines()
        if line.startswith(("## ", "### "))
    }
    operate = (ROOT / "docs" / "operate.md").read_text("utf-8")
    linked = {*re.findall(r"\]\(#([\w-]+)\)", page()), *re.findall(r"deploy\.md#([\w-]+)", operate)}

    assert linked <= headings


def test_the_page_names_the_tested_version_of_serverless_devs() -> None:
    """The deployment tests run the version that is pinned in package.json."""
    pinned = json.loads((ROOT / "tests" / "deploy" / "package.json").read_text())["dependencies"]["@serverless-devs/s"]

    assert f"@serverless-devs/s@{pinned}" in page()


# Risks

CHECKS_PAGE = ROOT / "docs" / "deploy-checks.md"


def risks() -> list[list[str]]:
    """Return the rows of the table of risks: number, risk, what removes it, what shows that."""
    section = CHECKS_PAGE.read_text("utf-8").partition("## The risks of a first deployment")[2].partition("\n## ")[0]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in section.splitlines() if row[:1] == "|"][
        2:
    ]


def test_the_table_of_risks_is_complete() -> None:
    """Three that would stop a first deployment, eight that might, and eight questions to the cloud."""
    numbers = [row[0].strip("| ") for row in risks()]

    assert [
        *(f"A{n}" for n in range(1, 4)),
        *(f"B{n}" for n in range(1, 9)),
        *(f"C{n}" for n in range(1, 9)),
    ] == numbers


@pytest.mark.parametrize("row", risks(), ids=lambda row: row[0].strip("| "))
def test_every_risk_names_tests_that_exist_or_says_who_must_look(row: list[str]) -> None:
    """A test is named with its file; what no test can show, a person has to look at on an account."""
    tests = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row[3])

    assert 4 == len(row)
    assert tests or "on an account" in row[3]
    for file, name in tests:
        assert f"def {name}(" in (ROOT / file).read_text("utf-8"), name


# Costs


@pytest.mark.parametrize("row", rows("clips a job"), ids=lambda row: f"{row[0]} clips")
def test_the_quantities_on_the_page_equal_the_estimates_of_plan(row: tuple[str, ...]) -> None:
    """The table is for a thousand jobs."""
    count = int(row[0])
    world = World()
    keys = [world.put(f"{number}.mp3", tone(60.0, name=str(number))).key for number in range(count)]
    document = json.dumps({"version": 1, "output": {"key": "o.mp3"}, "clips": keys})
    estimated = estimate(plan_for(JOB, ManifestRef(MANIFEST, "E"), document.encode(), world.context()), 0, PriceList())
    requests = estimated.requests
    each = (estimated.tasks, estimated.processed_s / 60, requests.put_type, requests.get_type, requests.smq)
    invocations = 1 + estimated.tasks

    assert [f"{round(1000 * quantity):,}" for quantity in (*each, invocations)] == list(row[1:])


def test_the_page_names_the_price_sources_of_the_command_and_no_price() -> None:
    """The source pages and their dates are those of the command."""
    table = page().partition("| item | quantity |")[2].partition("\n\n")[0]
    for price in PRICES:
        product, _, name = price.source.partition(", ")
        assert f'{product}, "{name}" ({price.dated})' in table, price
    assert NOTES["smq"].replace("million requests", "million") in table.replace("of a month", "of a month")
    assert not re.search(r"[$¥€]\s?\d|USD|CNY", page())
