"""The examples in docstrings are correct."""

import doctest
import importlib
import pkgutil

import pytest

import clipstitch

PURE = ("common", "manifest", "inbound", "planning")
MODULES = [
    module.name
    for package in PURE
    for module in pkgutil.iter_modules([f"{clipstitch.__path__[0]}/{package}"], f"clipstitch.{package}.")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_correct(name: str) -> None:
    """Each example has the printed result."""
    assert 0 == doctest.testmod(importlib.import_module(name)).failed


def test_some_modules_have_examples() -> None:
    """The test above would pass without any."""
    found = [doctest.testmod(importlib.import_module(name)).attempted for name in MODULES]

    assert sum(found) > 15
