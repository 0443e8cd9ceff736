"""`clipstitch plan`: shows what a manifest would do. Writes nothing to the cloud."""

import hashlib
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from clipstitch.common.identifiers import ManifestRef, ObjectRef, job_id_of
from clipstitch.manifest.documents import MAX_BYTES
from clipstitch.manifest.model import Glob
from clipstitch.manifest.parse import parse
from clipstitch.planning.plan import Plan
from clipstitch.planning.process_string import parse_process
from clipstitch.usecases.context import Context
from clipstitch.usecases.plan_job import plan_for
from clipstitch_cli import exit_codes
from clipstitch_cli.connection import connect
from clipstitch_cli.context import CommandContext
from clipstitch_cli.costs import estimates
from clipstitch_cli.costs.estimates import Estimate, estimate
from clipstitch_cli.costs.prices import DEFAULT_PRICES, PriceList, read_prices
from clipstitch_cli.display import process_text
from clipstitch_cli.display.estimate_table import write_estimate
from clipstitch_cli.display.plan_text import write_plan
from clipstitch_cli.display.plan_tree import levels_of
from clipstitch_cli.errors import UsageError
from clipstitch_cli.files import read_manifest
from clipstitch_cli.options import Json, Project, command_of


class ManifestSource(NamedTuple):
    """A manifest to plan. `uploaded`: it is an object already, so that the id of its job is known."""

    job_id: str
    manifest: ManifestRef
    body: bytes
    uploaded: bool


def plan(
    ctx: typer.Context,
    manifest: Annotated[str, typer.Argument(help="A file, or oss://bucket/key.")],
    _json: Json = False,
    everything: Annotated[bool, typer.Option("--all", help="Show every clip, step and request.")] = False,
    prices: Annotated[Path | None, typer.Option(help="A JSON file with your prices; see docs/manifest.md.")] = None,
    project: Project = None,
) -> int:
    """Show what a manifest would do and cost, or all its errors. Writes nothing."""
    command, own_prices = command_of(ctx), read_prices(prices)
    return show_plan(connect(command, project), manifest, command, own_prices, everything=everything)


def show_plan(
    context: Context,
    manifest: str,
    command: CommandContext,
    prices: PriceList = DEFAULT_PRICES,
    *,
    everything: bool = False,
) -> int:
    """Show the plan of a manifest. Raises InvalidManifest with all issues."""
    source = _read(manifest, context)
    made = plan_for(source.job_id, source.manifest, source.body, context)
    parsed = parse(source.body, source.manifest.ref, context.settings.limits)
    estimated = estimate(made, sum(isinstance(clip, Glob) for clip in parsed.clips), prices)
    if command.json:
        command.write_json(_as_json(made, source, estimated))
        return exit_codes.OK
    write_plan(made, context.settings, command, everything=everything)
    if not source.uploaded:
        command.write_line(("The upload determines the job's id, and with it the name of the work object.", "dim"))
    write_estimate(estimated, command)
    return exit_codes.OK


def _read(manifest: str, context: Context) -> ManifestSource:
    """Read an object, or a file as if it were uploaded now."""
    if manifest.startswith("oss://"):
        try:
            uploaded = ObjectRef.parse(manifest)
        except ValueError as error:
            raise UsageError(str(error)) from error
        content = context.objects.read(uploaded, limit=MAX_BYTES + 1)
        version = ManifestRef(uploaded, content.about.etag)
        return ManifestSource(job_id_of(version, content.about.last_modified), version, content.body, uploaded=True)
    path = Path(manifest)
    body = read_manifest(path)
    etag = hashlib.md5(body, usedforsecurity=False).hexdigest().upper()
    version = ManifestRef(ObjectRef(context.settings.bucket, context.settings.manifest_prefix + path.name), etag)
    return ManifestSource(job_id_of(version, context.clock.now()), version, body, uploaded=False)


def _as_json(made: Plan, source: ManifestSource, estimated: Estimate) -> dict[str, object]:
    """Return a plan as JSON values; the job of a file has no id yet."""
    levels, document = levels_of(made.steps), made.as_json()
    steps = [{**step, "level": levels[step["number"]], **_parsed(step["process"])} for step in document["steps"]]
    return {
        **document,
        "job_id": made.job_id if source.uploaded else None,
        "steps": steps,
        "levels": made.levels,
        "expected_duration_ms": round(made.duration_s * 1000),
        "estimates": estimates.as_json(estimated),
    }


def _parsed(process: str) -> dict[str, object]:
    """Return the parts of a process string; a render step has none."""
    return {"parsed": process_text.as_json(parse_process(process))} if process else {}
