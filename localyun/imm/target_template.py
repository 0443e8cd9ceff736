"""Target names with variables, such as `{dirname}/{barename}.{autoext}`. Pure; `localyun.imm.resolve` calls it.

Variables: IMM user guide, "TargetURI template", page dated 2024-12-25. Literal braces are doubled. `{tags.NAME}`: OSS
user guide, "Variables", read 2026-11.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import PurePosixPath

from localyun.imm.errors import invalid

TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
TIME_VARIABLES = {"year": "%Y", "mon": "%m", "day": "%d", "hour": "%H", "min": "%M", "sec": "%S"}


def variables(bucket: str, key: str, extension: str, *, uploaded: datetime, created: datetime) -> dict[str, str]:
    """Return the value of every variable: `key` is the posted object, `extension` that of the output."""
    dirname, _, basename = key.rpartition("/")
    barename, dot, ext = basename.rpartition(".")
    values = {
        "bucket": bucket,
        "key": key,
        "dirname": dirname,
        "basename": basename,
        "barename": barename if dot else basename,
        "ext": ext if dot else "",
        "autoext": extension,
        "index": "1",  # the number of the output; an audio task has one
        "streamindex": "0",
    }
    values |= {name: uploaded.strftime(code) for name, code in TIME_VARIABLES.items()}
    return values | {"t_" + name: created.strftime(code) for name, code in TIME_VARIABLES.items()}


def tag_variables(tags: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the variables `{tags.NAME}`."""
    return {f"tags.{name}": value for name, value in tags}


def expand(template: str, values: Mapping[str, str]) -> str:
    """Return a name with its variables replaced; raise `ImmError` for an unknown variable or a single brace."""

    def replacement(match: re.Match[str]) -> str:
        token, name = match[0], match[1]
        if token in ("{{", "}}"):
            return token[0]
        if name is None or name not in values:
            known = ", ".join(f"{{{variable}}}" for variable in values)
            message = f"{token!r} in {template!r} is not a variable; use {known}, or double the braces."
            raise invalid("target", message)
        return values[name]

    return TOKEN.sub(replacement, template)


def with_extension(key: str, extension: str) -> str:
    """Return a key with the format's extension, which IMM appends to a name that has none."""
    return key if PurePosixPath(key).suffix else f"{key}.{extension}"
