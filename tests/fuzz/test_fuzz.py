"""Every entry point: property tests by hypothesis, and a short run of atheris, a coverage-guided fuzzer."""

import ast
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.entry_points import ENTRY_POINTS
from tests.fuzz.fuzz_run import fuzz, is_installed, is_supported

SHORT_S = 2
_CUTS = st.integers(0, 4096)


@st.composite
def damaged(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """Return a seed input with a part replaced by noise or by a part of another seed input."""
    one, other = draw(st.sampled_from(seeds)), draw(st.sampled_from(seeds))
    start, end = sorted((draw(_CUTS) % (len(one) + 1), draw(_CUTS) % (len(one) + 1)))
    piece = other[draw(_CUTS) % (len(other) + 1) :][: draw(st.integers(0, 40))]
    return one[:start] + draw(st.binary(max_size=8) | st.just(piece) | st.text(max_size=4).map(str.encode)) + one[end:]


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_seed_inputs_raise_no_unexpected_error(name: str) -> None:
    """Every entry point has at least four seed inputs, valid and invalid ones."""
    for seed in ENTRY_POINTS[name].seeds():
        ENTRY_POINTS[name].call(seed)

    assert len(ENTRY_POINTS[name].seeds()) >= 4


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_random_inputs_raise_no_unexpected_error(name: str) -> None:
    """Random bytes, random text and damaged seed inputs."""

    @given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode) | damaged(tuple(ENTRY_POINTS[name].seeds())))
    @settings(max_examples=5 * settings().max_examples)
    def call(data: bytes) -> None:
        ENTRY_POINTS[name].call(data)

    call()


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_a_short_fuzz_run_finds_no_failing_input(name: str) -> None:
    """The number of inputs proves that the run did something; `make fuzz` runs longer."""
    if not is_installed():
        if is_supported() and os.environ.get("CI"):
            pytest.fail("atheris has a wheel for this interpreter, and is not installed: make setup")
        pytest.skip(
            "atheris is not installed" + ("; make setup" if is_supported() else ": no wheel for this interpreter")
        )
    result = fuzz(name, SHORT_S, seed=1)

    assert "" == result.failing_input, result.output
    assert result.inputs >= len(ENTRY_POINTS[name].seeds())


@pytest.mark.skipif(not is_installed(), reason="atheris is not installed")
def test_a_fuzz_run_finds_the_failing_input_of_a_broken_entry_point() -> None:
    """The result has the input as a Python literal, and the traceback."""
    result = fuzz("broken", 60, seed=1, module="tests.fuzz.broken")

    assert b"evil" == ast.literal_eval(result.failing_input)[:4]
    assert "KeyError" in result.output
