"""The `clipstitch` command: arguments in, exit code out. The only module that knows the command-line library."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Annotated, TextIO, cast

import typer

from clipstitch import __version__
from clipstitch.adapters.system_clock import SystemClock
from clipstitch.common.clock import Clock
from clipstitch.common.errors import ClipstitchError
from clipstitch_cli import exit_codes
from clipstitch_cli.commands.demo import demo
from clipstitch_cli.commands.doctor import doctor
from clipstitch_cli.commands.drop import Drop, drop
from clipstitch_cli.commands.explain import explain
from clipstitch_cli.commands.jobs import jobs
from clipstitch_cli.commands.plan import plan
from clipstitch_cli.commands.put import put
from clipstitch_cli.commands.retry import How, retry
from clipstitch_cli.commands.schema import schema
from clipstitch_cli.commands.show import show
from clipstitch_cli.commands.up import Mood, up
from clipstitch_cli.commands.watch import watch
from clipstitch_cli.context import CommandContext, console
from clipstitch_cli.doctor.live.options import DEFAULTS, Live
from clipstitch_cli.errors import NotWritten, Usage, report

# The library's base class of everything wrong with a command line: BadParameter < UsageError < ClickException.
_Misuse = cast("type[Exception]", typer.BadParameter.__mro__[2])

app = typer.Typer(
    help="Drop a manifest into a bucket; get merged audio and a completion event.",
    epilog="Start with `clipstitch demo`. Exit codes: 0 done, 1 the job failed, 2 rejected (manifest or process "
    "string), 3 trouble (settings, rights, network), 4 timeout, 64 wrong command line, 130 interrupted.",
    rich_markup_mode="rich",
    add_completion=False,
    pretty_exceptions_enable=False,
)
Json = Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")]
Project = Annotated[Path | None, typer.Option(help="Folder with s.yaml; default: this command's checkout.")]


def run() -> int:
    """Run the command for real; what pyproject.toml names."""
    out, err = (stream or Path(os.devnull).open("w") for stream in (sys.stdout, sys.stderr))  # noqa: SIM115 # `>&-`
    for stream in (out, err):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # a terminal may lack a character
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever ends us, we clear away first
    return main(sys.argv[1:], os.environ, out, err)


def main(
    argv: Sequence[str], env: Mapping[str, str], stdout: TextIO, stderr: TextIO, clock: Clock | None = None
) -> int:
    """Run one command and return its exit code, one of `clipstitch_cli.exit_codes`."""
    command = CommandContext(
        env, console(stdout, env), console(stderr, env), clock or SystemClock(), json="--json" in argv
    )
    program = typer.main.get_command(app)
    try:
        with redirect_stdout(stdout), redirect_stderr(stderr):
            return int(program.main(list(argv), prog_name="clipstitch", standalone_mode=False, obj=command) or 0)
    except ClipstitchError as error:
        return report(error, command)
    except _Misuse as misuse:
        return report(Usage(misuse.format_message()), command)  # type: ignore[attr-defined] # every one of them has it
    except typer.Abort:
        return exit_codes.INTERRUPTED
    except OSError as error:  # files are read and written where their errors have names; what remains is our own output
        return report(NotWritten(str(error)), command)


@app.callback(invoke_without_command=True)
def _root(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    if version:
        _desk(ctx).say(f"clipstitch {__version__}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        _desk(ctx).out.file.write(ctx.get_help())
        raise typer.Exit


def _desk(ctx: typer.Context) -> CommandContext:
    return cast("CommandContext", ctx.obj)


@app.command("demo")
def _demo(
    ctx: typer.Context,
    _json: Json = False,
    keep: Annotated[Path | None, typer.Option(help="Where the merged file stays; default: out/demo.")] = None,
    project: Project = None,
) -> int:
    """Merge five spoken clips on a local cloud, and show and measure what comes out."""
    return demo(_desk(ctx), keep=keep, project=project)


@app.command("up")
def _up(  # noqa: PLR0913, PLR0917 - its options
    ctx: typer.Context,
    _json: Json = False,
    data: Annotated[Path | None, typer.Option(help="Keep state in this folder, DIR; default: a temporary one.")] = None,
    port: Annotated[int, typer.Option(help="First of four ports; 0 takes free ones.", min=0, max=65532)] = 0,
    env_file: Annotated[Path | None, typer.Option(help="Write export lines here while it runs.")] = None,
    built: Annotated[
        str,
        typer.Option("--from", help="`build`: run what build.py made, by the runtime's Python; default: the sources."),
    ] = "sources",
    hurry: Annotated[
        float,
        typer.Option(
            help="Divide the waits of timers and retries by this; for patience set CLIPSTITCH_GRACE_PERIOD_S.", min=0.1
        ),
    ] = 1.0,
    weather: Annotated[
        int | None,
        typer.Option(
            help="A seed of bad weather: events and messages get lost, come twice, late or in another order; calls are "
            "refused, or fail after they happened; tasks falter; function instances are killed. For those who build "
            "consumers: what may happen in the cloud, happens here often. Counted in DIR/faults.json."
        ),
    ] = None,
    severity: Annotated[float, typer.Option(help="How bad: multiplies all chances.", min=0.0, max=10.0)] = 1.0,
    project: Project = None,
) -> int:
    """Run the local cloud until Ctrl-C or SIGTERM; prints the variables that the other commands take."""
    if built not in ("sources", "build"):
        raise Usage(f"--from {built!r}: say `build` or `sources`")
    mood = Mood(hurry, built == "build", weather, severity)
    return up(_desk(ctx), project=project, data=data, port=port, env_file=env_file, mood=mood)


@app.command("plan")
def _plan(
    ctx: typer.Context,
    manifest: Annotated[str, typer.Argument(help="A file, or oss://bucket/key.")],
    _json: Json = False,
    everything: Annotated[bool, typer.Option("--all", help="Show every clip, step and request.")] = False,
    prices: Annotated[Path | None, typer.Option(help="Your own prices, a JSON file; see docs/manifest.md.")] = None,
    project: Project = None,
) -> int:
    """Say what a manifest would do and take, or everything that is wrong with it. Writes nothing."""
    return plan(manifest, _desk(ctx), project, everything=everything, prices=prices)


@app.command("put")
def _put(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Audio files.")],
    to: Annotated[str, typer.Option(help="Where in the bucket: a prefix, so a folder ends in /.")] = "clips/",
    _json: Json = False,
    project: Project = None,
) -> int:
    """Upload clips to the bucket, each under its file's name."""
    return put(files, to, _desk(ctx), project)


@app.command("drop")
def _drop(
    ctx: typer.Context,
    manifest: Annotated[Path, typer.Argument(help="A manifest file.")],
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the completion event.")] = False,
    _json: Json = False,
    timeout: Annotated[str, typer.Option(help="How long to wait, e.g. 90s or 1h.")] = "10m",
    key: Annotated[str, typer.Option(help="Object key; default: manifests/<file name>.")] = "",
    project: Project = None,
) -> int:
    """Upload a manifest, which starts its job. With --wait: exit code 0 succeeded, 1 failed, 2 rejected, 4 not yet."""
    return drop(Drop(manifest, key, wait, timeout), _desk(ctx), project)


@app.command("jobs")
def _jobs(
    ctx: typer.Context,
    _json: Json = False,
    day: Annotated[str, typer.Option(help="Jobs of this day, YYYY-MM-DD; default: today and yesterday (UTC).")] = "",
    only_open: Annotated[bool, typer.Option("--open", help="Only jobs with work left.")] = False,
    project: Project = None,
) -> int:
    """List jobs: those still open, and those of a day."""
    return jobs(_desk(ctx), day=day, only_open=only_open, project=project)


@app.command("show")
def _show(
    ctx: typer.Context,
    job: Annotated[str, typer.Argument(help="A job id, or the beginning of one.")],
    _json: Json = False,
    project: Project = None,
) -> int:
    """Show all that is known about a job."""
    return show(job, _desk(ctx), project)


@app.command("watch")
def _watch(
    ctx: typer.Context,
    _json: Json = False,
    how_long: Annotated[str, typer.Option("--for", help="How long, e.g. 90s or 1h; default: until Ctrl-C.")] = "",
    project: Project = None,
) -> int:
    """Watch jobs: a line for each that is open, and whenever one gets on."""
    return watch(_desk(ctx), project, how_long=how_long)


@app.command("retry")
def _retry(
    ctx: typer.Context,
    what: Annotated[str, typer.Argument(help="A job id, or the beginning of one; or a manifest's URI or key.")] = "",
    dead_letters: Annotated[
        bool, typer.Option("--dead-letters", help="Everything that Function Compute has given up on.")
    ] = False,
    invoke: Annotated[
        bool,
        typer.Option("--invoke", help="Have the deployed functions do it, with their rights, and show the outcome."),
    ] = False,
    service: Annotated[
        str, typer.Option(help="Invoke through the FC 2.0 API, in this service; default: the 3.0 API, which has none.")
    ] = "",
    _json: Json = False,
    project: Project = None,
) -> int:
    """Bring a job on now, submit a manifest again, or do what functions failed to do for dead letters."""
    return retry(what, _desk(ctx), project, How(dead_letters, invoke, service))


@app.command("doctor")
def _doctor(  # noqa: PLR0913 - one parameter an option
    ctx: typer.Context,
    *,
    _json: Json = False,
    live: Annotated[
        bool, typer.Option("--live", help="Find out what this cloud does where nobody says; costs.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="With --live: agree beforehand to what it says it spends.")
    ] = False,
    report: Annotated[Path, typer.Option(help="With --live: the report, and a .json beside it.")] = DEFAULTS.report,
    unbound_bucket: Annotated[
        str, typer.Option(help="With --live: a bucket without an IMM project; default: one is made and removed.")
    ] = "",
    functions: Annotated[
        bool, typer.Option("--with-functions", help="With --live: also ask the deployed functions; takes minutes.")
    ] = False,
    wait: Annotated[str, typer.Option(help="With --live: how long to wait for answers, e.g. 30s.")] = DEFAULTS.wait,
    letter_wait: Annotated[
        str, typer.Option(help="With --with-functions: after how long no dead letter will come any more.")
    ] = DEFAULTS.letter_wait,
    project: Project = None,
) -> int:
    """Say whether everything is in its place, and what repairs it; without --live, reads only.

    Exit code 0 when all is well or there are only warnings, 3 when something is bad; with --live, 3 when an answer
    differs from what we assume, or something could not be removed.
    """
    if not live:
        return doctor(_desk(ctx), project)
    ask = partial(typer.confirm, err=True) if sys.stdin.isatty() else None
    from clipstitch_cli.doctor.live.run import live as ask_live  # noqa: PLC0415 - brings the SDKs

    return ask_live(Live(yes, report, unbound_bucket, functions, wait, letter_wait, ask), _desk(ctx), project)


@app.command("explain")
def _explain(
    ctx: typer.Context,
    process: Annotated[str, typer.Argument(help="A process string: audio/concat,... or audio/convert,...")],
    main: Annotated[str, typer.Option(help="Key of the object that it is posted to.")] = "",
    _json: Json = False,
) -> int:
    """Read a process string back in words, and point out likely slips."""
    return explain(process, main, _desk(ctx))


@app.command("schema")
def _schema(ctx: typer.Context, _json: Json = False) -> int:
    """Print the JSON Schema of manifests, for editors; the same as docs/manifest.schema.json."""
    return schema(_desk(ctx))
