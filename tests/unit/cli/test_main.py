"""The command line: usage, settings, errors and exit codes."""

import json
import os
from errno import ENOSPC
from io import StringIO
from pathlib import Path

import pytest

from clipstitch import __version__
from clipstitch.common.errors import AccessDenied, CloudBusy, InvalidManifest, Issue
from clipstitch_cli import exit_codes
from clipstitch_cli.commands.up import exports
from clipstitch_cli.connection import complete_environment
from clipstitch_cli.errors import WaitTimedOut, report
from clipstitch_cli.main import main
from tests.unit.cli.test_context import make_command

UP = {
    "OSS_ENDPOINT": "http://127.0.0.1:9",
    "OSS_REGION": "cn-hangzhou",
    "MNS_ENDPOINT": "http://127.0.0.1:9",
    "CLIPSTITCH_BUCKET": "acme",
    "OSS_ACCESS_KEY_ID": "id",
    "OSS_ACCESS_KEY_SECRET": "secret",
}

S_YAML = """
edition: 3.0.0
name: tiny
resources:
  submit:
    component: fc3
    props:
      region: cn-hangzhou
      functionName: submit
      runtime: python3.10
      handler: index.handler
      code: ./build/submit
      environmentVariables:
        OSS_ENDPOINT: https://inside.example
        CLIPSTITCH_COMPLETION_TOPIC: finished
        CLIPSTITCH_SINKS: q=queue:events
"""


def ran(*argv: str, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Run the command; return exit code, stdout and stderr."""
    out, err = StringIO(), StringIO()
    return main(argv, env or {}, out, err), out.getvalue(), err.getvalue()


def test_the_version_is_shown() -> None:
    """On one line."""
    assert (exit_codes.OK, f"clipstitch {__version__}\n", "") == ran("--version")


def test_without_a_command_the_help_is_shown() -> None:
    """It lists the commands."""
    code, out, _ = ran()

    assert exit_codes.OK == code
    for command in ("demo", "up", "plan", "drop", "jobs", "show", "explain"):
        assert command in out


@pytest.mark.parametrize("argv", [("nosuch",), ("drop",), ("up", "--port", "many"), ("jobs", "--day", "someday")])
def test_a_wrong_command_line_has_its_own_exit_code(argv: tuple[str, ...]) -> None:
    """It differs from the code of a rejected manifest."""
    code, out, err = ran(*argv, env=UP)

    assert (exit_codes.USAGE, "") == (code, out)
    assert "USAGE" in err


def test_a_wrong_command_line_is_reported_as_json() -> None:
    """If --json is given."""
    _, _, err = ran("drop", "--json")

    assert "USAGE" == json.loads(err)["error"]["code"]


BAD_NAME = os.fsdecode(b"bad\xff.json")


@pytest.mark.parametrize(
    "argv",
    [("plan", BAD_NAME), ("drop", BAD_NAME), ("drop", "a.json", "--key", BAD_NAME), ("put", "a.mp3", BAD_NAME),
     ("show", BAD_NAME), ("explain", BAD_NAME), ("plan", f"oss://acme/{BAD_NAME}"), (BAD_NAME,)],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.parametrize("json_option", [(), ("--json",)])
def test_a_name_that_is_not_utf_8_is_a_wrong_command_line(argv: tuple[str, ...], json_option: tuple[str, ...]) -> None:
    """Nothing is read or uploaded: object keys are UTF-8."""
    code, out, err = ran(*argv, *json_option, env=UP)

    assert (exit_codes.USAGE, "") == (code, out)
    assert "udcff.json" in err
    if json_option:
        assert "USAGE" == json.loads(err)["error"]["code"]


def test_a_variable_that_is_not_utf_8_is_an_error() -> None:
    """It is named in the message, and there is no traceback."""
    env = {**UP, "CLIPSTITCH_COMPLETION_TOPIC": "t", "OSS_ACCESS_KEY_ID": "id\udcff"}
    code, _, err = ran("plan", "oss://acme/manifests/a.json", "--json", env=env)

    assert exit_codes.USAGE == code
    assert "udcff" in json.loads(err)["error"]["message"]


@pytest.mark.parametrize("argv", [("plan", "x.json"), ("drop", "x.json"), ("jobs",), ("show", "2026")])
def test_one_error_names_every_missing_variable(argv: tuple[str, ...]) -> None:
    """All variables in one pass."""
    code, out, err = ran(*argv)

    assert (exit_codes.ERROR, "") == (code, out)
    for name in ("OSS_ENDPOINT", "OSS_REGION", "MNS_ENDPOINT", "CLIPSTITCH_BUCKET", "OSS_ACCESS_KEY_ID"):
        assert name in err
    assert "clipstitch up --env-file" in err
    assert "CLIPSTITCH_COMPLETION_TOPIC" not in err


def test_the_doctor_names_every_missing_variable() -> None:
    """With the same remedy as the other commands."""
    code, out, _ = ran("doctor")

    assert exit_codes.ERROR == code
    for word in ("OSS_ENDPOINT", "OSS_ACCESS_KEY_ID", "clipstitch up --env-file"):
        assert word in out


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Write a project with one function and no stack."""
    (tmp_path / "functions" / "submit").mkdir(parents=True)
    (tmp_path / "s.yaml").write_text(S_YAML)
    return tmp_path


def test_the_deployment_supplies_missing_variables(project: Path) -> None:
    """Topic and sinks come from s.yaml; its endpoints, which are for functions, do not."""
    env = complete_environment(UP, project)

    assert ("finished", "q=queue:events") == (env["CLIPSTITCH_COMPLETION_TOPIC"], env["CLIPSTITCH_SINKS"])
    assert "http://127.0.0.1:9" == env["OSS_ENDPOINT"]


def test_variables_of_the_shell_win(project: Path) -> None:
    """An empty list of sinks, too."""
    env = complete_environment({**UP, "CLIPSTITCH_SINKS": ""}, project)

    assert ("", "finished") == (env["CLIPSTITCH_SINKS"], env["CLIPSTITCH_COMPLETION_TOPIC"])


def test_the_access_key_of_the_local_cloud_wins(project: Path) -> None:
    """A shell may also hold a key for the real cloud."""
    env = complete_environment({**UP, "ALIBABA_CLOUD_ACCESS_KEY_ID": "real"}, project)

    assert "ALIBABA_CLOUD_ACCESS_KEY_ID" not in env


def test_a_project_without_s_yaml_is_an_error(tmp_path: Path) -> None:
    """The message names the folder and the option."""
    code, _, err = ran("jobs", "--project", str(tmp_path), env=UP)

    assert exit_codes.ERROR == code
    assert str(tmp_path) in err
    assert "--project" in err


def test_a_cloud_that_does_not_answer_is_one_message() -> None:
    """Without a traceback, and with a remedy for people instead of functions."""
    code, out, err = ran("jobs", env={**UP, "CLIPSTITCH_COMPLETION_TOPIC": "done", "CLIPSTITCH_SINKS": ""})

    assert (exit_codes.ERROR, "") == (code, out)
    assert "CLOUD_BUSY" in err
    assert "Is the cloud running" in err
    assert "Connection refused" in err
    assert "Max retries" not in err
    assert "Traceback" not in err


class FullDisk(StringIO):
    """A stream on a disk without space."""

    def write(self, text: str) -> int:
        """Raise the error of a full disk."""
        raise OSError(ENOSPC, "No space left on device")


def test_output_that_cannot_be_written_is_an_error() -> None:
    """A full disk is neither a failed job nor a traceback."""
    err = StringIO()
    code = main(("schema",), {}, FullDisk(), err)

    assert exit_codes.ERROR == code
    assert "No space left on device [NOT_WRITTEN]" in err.getvalue()


def test_every_issue_of_a_manifest_is_reported() -> None:
    """As a table, or as a list in JSON."""
    issues = [Issue("/clips/0", "CLIP_NOT_FOUND", "is not there", "Upload it."), Issue("", "X", "y", "z")]
    people, programs = make_command(), make_command(json=True)

    codes = {report(InvalidManifest(issues), command) for command in (people, programs)}

    assert {exit_codes.REJECTED} == codes
    assert "2 errors" in people.errors
    assert "/clips/0" in people.errors
    assert [issue.as_json() for issue in issues] == json.loads(programs.errors)["error"]["issues"]


def test_errors_have_named_exit_codes() -> None:
    """A timeout differs from a cloud that refuses."""
    errors = (WaitTimedOut("late"), AccessDenied("no"), CloudBusy("later"))

    assert [exit_codes.TIMEOUT, exit_codes.ERROR, exit_codes.ERROR] == [
        report(error, make_command()) for error in errors
    ]


def test_exported_values_are_quoted() -> None:
    """Quotes and spaces survive a shell."""
    assert "export A='it'\"'\"'s'\nexport B=''\n" == exports({"A": "it's", "B": ""})


def test_the_demo_checks_its_folder_first(tmp_path: Path) -> None:
    """Before it starts a local cloud."""
    (tmp_path / "file").touch()
    code, out, err = ran("demo", "--keep", str(tmp_path / "file"))

    assert (exit_codes.ERROR, "") == (code, out)
    assert "choose another folder with --keep [NOT_WRITTEN]" in " ".join(err.split())
