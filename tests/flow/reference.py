"""Extract the examples of the vendor's page about audio merging, which is beside the checkout and not part of it.

This module finds and parses examples; it does not run them.
"""

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = CHECKOUT.parent / "shared" / "reference" / "audio-merging.txt"
# The first line of each example, and the first line of the page after it.
BOUNDARIES = {
    "python": ("# -*- coding: utf-8 -*-", "For Java and Go examples, see SDK examples."),
    "python repeated": ("# -*- coding: utf-8 -*-", "Go"),
    "java": ("import com.aliyun.oss.ClientBuilderConfiguration;", "Python"),
    "go": ("package main", "What's next"),
    "rest": ("POST /example.oga?x-oss-async-process HTTP/1.1", "SDK examples"),
}
NAME = re.compile(r"(?<=,)(o|b|topic)_([\w-]+)")


def skip_or_fail(reason: str) -> NoReturn:
    """Skip the test because of a missing requirement; in CI, fail it."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"a requirement is missing in CI: {reason}", pytrace=False)
    pytest.skip(reason)


def example(name: str) -> str:
    """Return an example exactly as printed on the page."""
    if not PAGE.is_file():
        skip_or_fail(f"the vendor's page is missing: shared/reference/{PAGE.name} beside the checkout")
    first, after = BOUNDARIES[name]
    text = PAGE.read_text("utf-8")
    end = text.index(f"\n{after}\n", text.index(f"\n{first}\n"))
    return text[text.rindex(f"\n{first}\n", 0, end) + 1 : end].rstrip() + "\n"


def replace_literals(code: str, replacements: Mapping[str, str]) -> str:
    """Replace literals of an example; fail if the example lacks one of them."""
    for literal, replacement in replacements.items():
        assert literal in code, f"the example does not contain {literal!r}; the page has changed"
        code = code.replace(literal, replacement)
    return code


@dataclass(frozen=True)
class PrintedRequest:
    """An HTTP request as printed on the page."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: str


def parse_request(text: str) -> PrintedRequest:
    """Parse a printed HTTP request."""
    head, _, body = text.partition("\n\n")
    first, *lines = head.splitlines()
    method, target, _ = first.split(" ")
    return PrintedRequest(method, target, dict(line.split(": ", 1) for line in lines), body.rstrip("\n"))


def encoded_names(process: str) -> list[str]:
    """Return the decoded Base64 names of a process string."""
    return [_decode(match[2]) for match in NAME.finditer(process)]


def strip_newlines(process: str) -> str:
    """Return a process string without the trailing newlines that the printed names contain."""
    return NAME.sub(lambda match: f"{match[1]}_{_encode(_decode(match[2]).rstrip())}", process)


def _decode(text: str) -> str:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()


def _encode(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")
