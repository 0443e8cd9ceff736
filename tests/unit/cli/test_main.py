"""The command's frame: usage, settings, errors and exit codes."""

import json
from errno import ENOSPC
from io import StringIO
from pathlib import Path

import pytest

from clipstitch import __version__
from clipstitch.common.errors import AccessDenied, CloudBusy, InvalidManifest, Issue
from clipstitch_cli import exit_codes
from clipstitch_cli.commands.up import exports
from clipstitch_cli.connection import complete_environment
from clipstitch_cli.errors import TimedOut, report
from clipstitch_cli.main import main
from tests.unit.cli.test_context import make_desk

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
        CLIPSTITCH_SINKS: q=queue:told
"""


def ran(*argv: str, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Run the command; return exit code, stdout and stderr."""
    out, err = StringIO(), StringIO()
    return main(argv, env or {}, out, err), out.getvalue(), err.getvalue()


def test_the_version_is_printed():
    """One line, for bug reports."""
    assert (exit_codes.OK, f"clipstitch {__version__}\n", "") == ran("--version")


def test_without_a_command_help_is_shown():
    """Whoever starts gets the list of commands."""
    code, out, _ = ran()

    assert exit_codes.OK == code
    for command in ("demo", "up", "plan", "drop", "jobs", "show", "explain"):
        assert command in out


@pytest.mark.parametrize("argv", [("nosuch",), ("drop",), ("up", "--port", "many"), ("jobs", "--day", "someday")])
def test_a_wrong_command_line_has_its_own_exit_code(argv: tuple[str, ...]):
    """Usage errors cannot be taken for rejected manifests."""
    code, out, err = ran(*argv, env=UP)

    assert (exit_codes.USAGE, "") == (code, out)
    assert "USAGE" in err


def test_a_wrong_command_line_is_json_for_programs():
    """With --json, even that."""
    _, _, err = ran("drop", "--json")

    assert "USAGE" == json.loads(err)["error"]["code"]


@pytest.mark.parametrize("argv", [("plan", "x.json"), ("drop", "x.json"), ("jobs",), ("show", "2026")])
def test_one_error_names_everything_that_the_environment_lacks(argv: tuple[str, ...]):
    """Nobody has to run a command five times to learn of five variables."""
    code, out, err = ran(*argv)

    assert (exit_codes.TROUBLE, "") == (code, out)
    for name in ("OSS_ENDPOINT", "OSS_REGION", "MNS_ENDPOINT", "CLIPSTITCH_BUCKET", "OSS_ACCESS_KEY_ID"):
        assert name in err
    assert "clipstitch up --env-file" in err
    assert "CLIPSTITCH_COMPLETION_TOPIC" not in err


def test_a_doctor_without_an_environment_says_the_same():
    """Whoever has not set anything learns from every command how to begin."""
    code, out, _ = ran("doctor")

    assert exit_codes.TROUBLE == code
    for word in ("OSS_ENDPOINT", "OSS_ACCESS_KEY_ID", "clipstitch up --env-file"):
        assert word in out


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Write a project with one function and no stack."""
    (tmp_path / "functions" / "submit").mkdir(parents=True)
    (tmp_path / "s.yaml").write_text(S_YAML)
    return tmp_path


def test_the_deployment_fills_in_what_the_shell_leaves_open(project: Path):
    """Topic and sinks come from s.yaml, so that `up`'s variables are enough; its endpoints are not for us."""
    env = complete_environment(UP, project)

    assert ("finished", "q=queue:told") == (env["CLIPSTITCH_COMPLETION_TOPIC"], env["CLIPSTITCH_SINKS"])
    assert "http://127.0.0.1:9" == env["OSS_ENDPOINT"]


def test_what_the_shell_says_counts(project: Path):
    """Even an empty list of sinks is one."""
    env = complete_environment({**UP, "CLIPSTITCH_SINKS": ""}, project)

    assert ("", "finished") == (env["CLIPSTITCH_SINKS"], env["CLIPSTITCH_COMPLETION_TOPIC"])


def test_a_key_for_the_real_cloud_does_not_shadow_the_one_of_the_local_cloud(project: Path):
    """A shell may hold both; the names that `up` prints win."""
    env = complete_environment({**UP, "ALIBABA_CLOUD_ACCESS_KEY_ID": "real"}, project)

    assert "ALIBABA_CLOUD_ACCESS_KEY_ID" not in env


def test_a_project_without_s_yaml_is_an_error_that_names_the_folder(tmp_path: Path):
    """The remedy is the option."""
    code, _, err = ran("jobs", "--project", str(tmp_path), env=UP)

    assert exit_codes.TROUBLE == code
    assert str(tmp_path) in err
    assert "--project" in err


def test_a_cloud_that_does_not_answer_is_one_clear_message():
    """No traceback, and not the remedy that is meant for functions."""
    code, out, err = ran("jobs", env={**UP, "CLIPSTITCH_COMPLETION_TOPIC": "done", "CLIPSTITCH_SINKS": ""})

    assert (exit_codes.TROUBLE, "") == (code, out)
    assert "CLOUD_BUSY" in err
    assert "Is the cloud up" in err
    assert "Connection refused" in err
    assert "Max retries" not in err
    assert "Traceback" not in err


class Full(StringIO):
    """A file on a disk without room."""

    def write(self, text: str) -> int:
        """Take nothing."""
        raise OSError(ENOSPC, "No space left on device")


def test_what_cannot_be_written_is_trouble_in_words():
    """A full disk is no failed job, and no traceback."""
    err = StringIO()
    code = main(("schema",), {}, Full(), err)

    assert exit_codes.TROUBLE == code
    assert "No space left on device [NOT_WRITTEN]" in err.getvalue()


def test_every_issue_of_a_manifest_is_in_the_report():
    """As a table for people, as a list for programs."""
    issues = [Issue("/clips/0", "CLIP_NOT_FOUND", "is not there", "Upload it."), Issue("", "X", "y", "z")]
    people, programs = make_desk(), make_desk(json=True)

    codes = {report(InvalidManifest(issues), command) for command in (people, programs)}

    assert {exit_codes.REJECTED} == codes
    assert "2 mistakes" in people.said
    assert "/clips/0" in people.said
    assert [issue.as_json() for issue in issues] == json.loads(programs.said)["error"]["issues"]


def test_errors_have_named_exit_codes():
    """Waiting in vain differs from a cloud that refuses."""
    errors = (TimedOut("late"), AccessDenied("no"), CloudBusy("later"))

    assert [exit_codes.TIMEOUT, exit_codes.TROUBLE, exit_codes.TROUBLE] == [
        report(error, make_desk()) for error in errors
    ]


def test_exported_values_survive_a_shell():
    """Quotes and blanks are quoted."""
    assert "export A='it'\"'\"'s'\nexport B=''\n" == exports({"A": "it's", "B": ""})


def test_the_demo_wants_to_know_first_where_its_file_can_stay(tmp_path: Path):
    """Before it starts a cloud, not after the work."""
    (tmp_path / "file").touch()
    code, out, err = ran("demo", "--keep", str(tmp_path / "file"))

    assert (exit_codes.TROUBLE, "") == (code, out)
    assert "choose another folder with --keep [NOT_WRITTEN]" in " ".join(err.split())
