"""`clipstitch schema`: print the JSON Schema of manifests, as docs/manifest.schema.json has it."""

import json

from clipstitch.manifest.json_schema import manifest_schema
from clipstitch_cli import exit_codes
from clipstitch_cli.context import CommandContext


def schema(command: CommandContext) -> int:
    """Print the schema, and return the exit code."""
    if command.json:
        command.write_json(manifest_schema())
    else:
        command.out.file.write(text())
    return exit_codes.OK


def text() -> str:
    """Return the schema as docs/manifest.schema.json holds it."""
    return json.dumps(manifest_schema(), indent=2) + "\n"
