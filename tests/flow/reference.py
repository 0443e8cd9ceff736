"""Takes the examples out of the vendor's page about audio merging when the tests run; nothing of it is kept here.

Knows where on the page an example begins and ends; does not know how to run one. The page lies beside the checkout.
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
# The first line of each example, and the first line of the page's text after it.
BORDERS = {
    "python": ("# -*- coding: utf-8 -*-", "For Java and Go examples, see SDK examples."),
    "python again": ("# -*- coding: utf-8 -*-", "Go"),
    "java": ("import com.aliyun.oss.ClientBuilderConfiguration;", "Python"),
    "go": ("package main", "What's next"),
    "rest": ("POST /example.oga?x-oss-async-process HTTP/1.1", "SDK examples"),
}
NAME = re.compile(r"(?<=,)(o|b|topic)_([\w-]+)")


def missing(what: str) -> NoReturn:
    """Skip the test at the desk and fail it in CI: what is missing there is missing for everybody."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"CI needs what a desk may lack: {what}", pytrace=False)
    pytest.skip(what)


def example(name: str) -> str:
    """Return an example of the page as it is printed."""
    if not PAGE.is_file():
        missing(f"the vendor's page is not there: shared/reference/{PAGE.name} beside the checkout")
    first, after = BORDERS[name]
    text = PAGE.read_text("utf-8")
    end = text.index(f"\n{after}\n", text.index(f"\n{first}\n"))
    return text[text.rindex(f"\n{first}\n", 0, end) + 1 : end].rstrip() + "\n"


def adapted(code: str, names: Mapping[str, str]) -> str:
    """Exchange literals of an example for others and nothing else; each literal must be there."""
    for literal, ours in names.items():
        assert literal in code, f"the example does not name {literal!r}; the page has changed"
        code = code.replace(literal, ours)
    return code


@dataclass(frozen=True)
class PrintedRequest:
    """An HTTP request as it is printed on the page."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: str


def printed_request(text: str) -> PrintedRequest:
    """Read a printed HTTP request."""
    head, _, body = text.partition("\n\n")
    first, *lines = head.splitlines()
    method, target, _ = first.split(" ")
    return PrintedRequest(method, target, dict(line.split(": ", 1) for line in lines), body.rstrip("\n"))


def process_names(process: str) -> list[str]:
    """Return the names that a process string spells in Base64."""
    return [_decoded(match[2]) for match in NAME.finditer(process)]


def without_newlines(process: str) -> str:
    """Spell the names of a process string again, without the newline that the page's author encoded with them."""
    return NAME.sub(lambda match: f"{match[1]}_{_encoded(_decoded(match[2]).rstrip())}", process)


def _decoded(text: str) -> str:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()


def _encoded(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")
