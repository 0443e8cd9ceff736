"""What we take from others: pinned to the letter, installed as pinned, and nothing more is shipped than is pinned."""

import re
from importlib.metadata import distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import build
from tests.audit import EXIT_NOT_AUDITED, EXIT_SAFE, EXIT_VULNERABLE, format_audit, parse_pins, parse_report

ROOT = Path(__file__).parents[2]
CONSTRAINTS = (ROOT / "constraints.txt").read_text("utf-8")
LINES = [Requirement(line) for line in CONSTRAINTS.splitlines()]
SHIPPED = sorted(package.distribution for package in build.PACKAGES.values())
OURS = {"clipstitch", "pip", "setuptools", "wheel"}  # ourselves, and what installs
# build.py says why: only client-side encryption would use them.
LEFT_OUT = {"pycryptodome", "cryptography", "cffi", "aliyun-python-sdk-core", "aliyun-python-sdk-kms", "crcmod"}


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_deployed_is_pinned_to_one_version(name: str):
    """The same one for every interpreter, and no other can be meant."""
    (pin,) = [line for line in LINES if canonicalize_name(line.name) == canonicalize_name(name)]

    assert re.fullmatch(r"==[0-9][0-9a-z.]*", str(pin.specifier))
    assert pin.marker is None
    assert pin.url is None


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_deployed_needs_nothing_that_is_not(name: str):
    """Whatever it asks for is shipped too, or left out for a reason that is written down."""
    asked = [Requirement(text) for text in distribution(name).requires or ()]
    needed = {canonicalize_name(one.name) for one in asked if one.marker is None or one.marker.evaluate({"extra": ""})}

    assert set() == needed - set(map(canonicalize_name, SHIPPED)) - LEFT_OUT


def test_every_line_is_an_exact_pin_and_names_no_place():
    """No range, no address, no option of pip."""
    assert [] == [str(line) for line in LINES if not str(line.specifier).startswith("==") or line.url or line.extras]
    assert not re.search(r"https?:|git\+|^-", CONSTRAINTS, re.MULTILINE)


def test_what_is_installed_is_what_is_pinned():
    """Every distribution of this environment, down to the last that nobody asked for by name."""
    pins = {canonicalize_name(pin.name): str(pin.specifier) for pin in parse_pins(CONSTRAINTS)}
    here = {canonicalize_name(found.name): f"=={found.version}" for found in distributions()}
    ours = {name: version for name, version in here.items() if name not in OURS}

    assert {} == {name: version for name, version in ours.items() if pins.get(name) != version}


CLEAN = {"name": "a", "version": "1", "vulns": []}
SICK = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1"}, {"id": "PYSEC-2"}]}
UNKNOWN = {"name": "c", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("packages", "code", "words"),
    [
        ([CLEAN], EXIT_SAFE, "1 pins, 1 checked, 0 with"),
        ([CLEAN, SICK], EXIT_VULNERABLE, "b 2: PYSEC-1, PYSEC-2"),
        ([CLEAN, UNKNOWN], EXIT_SAFE, "has no data for them: c"),
        ([SICK, UNKNOWN], EXIT_VULNERABLE, "b 2: PYSEC-1"),
        ([UNKNOWN, UNKNOWN], EXIT_NOT_AUDITED, "NOT AUDITED"),
    ],
)
def test_an_audit_that_could_not_ask_is_never_taken_for_a_good_one(packages: list, code: int, words: str):
    """`make audit` says which it was, by words and by its exit code."""
    audit = parse_report({"dependencies": packages})

    assert code == audit.exit_code
    assert words in format_audit(audit)
