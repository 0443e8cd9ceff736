"""`clipstitch schema`: print the JSON Schema of manifests, as docs/manifest.schema.json has it."""

import json

import typer

from clipstitch.manifest.json_schema import manifest_schema
from clipstitch_cli import exit_codes
from clipstitch_cli.options import Json, command_of


def schema(ctx: typer.Context, _json: Json = False) -> int:
    """Print the JSON Schema of manifests, for editors; the same as docs/manifest.schema.json."""
    command = command_of(ctx)
    command.write(manifest_schema, lambda: command.out.file.write(text()))
    return exit_codes.OK


def text() -> str:
    """Return the schema as docs/manifest.schema.json holds it."""
    return json.dumps(manifest_schema(), indent=2) + "\n"
