"""At every door: properties by hypothesis, and a short hunt by atheris, which follows whatever leads to new places."""

import ast
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.doors import DOORS
from tests.fuzz.hunt import can_hunt, could_hunt, hunt

SHORT_S = 2
_CUTS = st.integers(0, 4096)


@st.composite
def damaged(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """Return one input cut open somewhere, with something else in its place: noise, or a piece of another."""
    one, other = draw(st.sampled_from(seeds)), draw(st.sampled_from(seeds))
    start, end = sorted((draw(_CUTS) % (len(one) + 1), draw(_CUTS) % (len(one) + 1)))
    piece = other[draw(_CUTS) % (len(other) + 1) :][: draw(st.integers(0, 40))]
    return one[:start] + draw(st.binary(max_size=8) | st.just(piece) | st.text(max_size=4).map(str.encode)) + one[end:]


@pytest.mark.parametrize("door", DOORS)
def test_the_seeds_go_in(door: str):
    """Good ones and bad ones; each door has some of both."""
    for seed in DOORS[door].seeds():
        DOORS[door].enter(seed)

    assert len(DOORS[door].seeds()) >= 4


@pytest.mark.parametrize("door", DOORS)
def test_nothing_but_our_own_errors_comes_out(door: str):
    """Noise, text, and inputs that were good before something happened to them."""

    @given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode) | damaged(tuple(DOORS[door].seeds())))
    @settings(max_examples=5 * settings().max_examples)
    def enter(data: bytes) -> None:
        DOORS[door].enter(data)

    enter()


@pytest.mark.parametrize("door", DOORS)
def test_a_short_hunt_catches_nothing(door: str):
    """`make fuzz` hunts for longer; the count shows that it did hunt."""
    if not can_hunt():
        if could_hunt() and os.environ.get("CI"):
            pytest.fail("atheris has a wheel for this interpreter, and is not installed: make setup")
        pytest.skip(
            "atheris is not installed" + ("; make setup" if could_hunt() else ": no wheel for this interpreter")
        )
    came = hunt(door, SHORT_S, seed=1)

    assert "" == came.caught, came.words
    assert came.inputs >= len(DOORS[door].seeds())


@pytest.mark.skipif(not can_hunt(), reason="atheris is not installed")
def test_a_hunt_catches_what_gets_through():
    """The input is shown as a Python literal, and where it led."""
    came = hunt("a door that breaks", 60, seed=1, table="tests.fuzz.broken")

    assert b"evil" == ast.literal_eval(came.caught)[:4]
    assert "KeyError" in came.words
