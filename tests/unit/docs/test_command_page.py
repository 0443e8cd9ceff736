"""docs/command.md lists every exit code, command and error code, and no other."""

import re
from collections.abc import Mapping
from pathlib import Path

from clipstitch_cli import exit_codes
from tests.unit.cli.test_main import ran
from tests.unit.manifest.test_bad_manifests import codes_documented

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "command.md").read_text("utf-8")


def test_the_exit_codes_are_those_of_the_command() -> None:
    """By number and name."""
    listed = re.findall(r"^\| (\d+) \| ([A-Z]+) \|", PAGE, re.MULTILINE)
    named: Mapping[str, object] = {name: value for name, value in vars(exit_codes).items() if isinstance(value, int)}

    assert named == {name: int(number) for number, name in listed}


def test_every_command_is_on_the_page() -> None:
    """With its JSON output."""
    _, listed, _ = ran("--help")
    commands = re.findall(r"^│ ([a-z]+) ", listed, re.MULTILINE)

    assert 12 == len(commands)
    assert sorted(commands) == re.findall(r"^\| `([a-z]+)` \|", PAGE, re.MULTILINE)


def test_every_error_code_of_the_command_is_on_the_page() -> None:
    """The codes that only the command has; the others are in docs/errors.md."""
    sources = "\n".join(file.read_text("utf-8") for file in (ROOT / "cli" / "clipstitch_cli").rglob("*.py"))
    codes = re.findall(r'^    code = "(\w+)"', sources, re.MULTILINE)

    assert sorted(codes) == sorted(codes_documented(PAGE))
