"""Target names with variables, such as `{dirname}/{barename}.{autoext}`. Pure; the task service calls it.

Variables: IMM user guide, "TargetURI template", page dated 2024-12-25. Literal braces are doubled.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePosixPath

from localyun.imm.errors import invalid

TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
PARTS = {"year": "%Y", "mon": "%m", "day": "%d", "hour": "%H", "min": "%M", "sec": "%S"}


def variables(bucket: str, key: str, extension: str, *, uploaded: datetime, created: datetime) -> dict[str, str]:
    """Say what every variable stands for: `key` is the posted object, `extension` that of the output."""
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
        "index": "1",  # counts outputs from 1, and an audio task has one
        "streamindex": "0",
    }
    values |= {name: uploaded.strftime(spelling) for name, spelling in PARTS.items()}
    return values | {"t_" + name: created.strftime(spelling) for name, spelling in PARTS.items()}


def expand(template: str, values: Mapping[str, str]) -> str:
    """Replace the variables of a name; an unknown one or a lone brace raises `ImmError`."""

    def one(match: re.Match[str]) -> str:
        text, name = match[0], match[1]
        if text in ("{{", "}}"):
            return text[0]
        if name is None or name not in values:
            legal = ", ".join(f"{{{known}}}" for known in values)
            raise invalid("target", f"{text!r} in {template!r} is no variable; use {legal}, or double the braces.")
        return values[name]

    return TOKEN.sub(one, template)


def with_extension(key: str, extension: str) -> str:
    """Append the format's extension to a name that has none, as IMM does."""
    return key if PurePosixPath(key).suffix else f"{key}.{extension}"
