"""Bytes to plain values: limits, and positions in messages."""

import pytest

from clipstitch.common.errors import InvalidManifest
from clipstitch.manifest import documents


def nested(depth: int, suffix: str) -> bytes:
    """Return nested mappings of this depth, the innermost with a number."""
    inner = "1"
    for _ in range(depth - 1):
        inner = f'{{"a": {inner}}}'
    return inner.encode() if suffix == ".json" else inner.replace('"', "").encode()


def issue_of(body: bytes, suffix: str) -> tuple[str, str]:
    """Return code and message of the issue of a document."""
    with pytest.raises(InvalidManifest) as caught:
        documents.load(body, suffix)
    (issue,) = caught.value.issues
    return issue.code, issue.message


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_twenty_levels_are_allowed_and_twenty_one_are_not(suffix: str) -> None:
    """A manifest needs three."""
    assert documents.load(nested(20, suffix), suffix)
    assert "MANIFEST_TOO_DEEP" == issue_of(nested(21, suffix), suffix)[0]


def test_the_size_is_checked_first() -> None:
    """A document that is too large is neither decoded nor parsed."""
    assert "MANIFEST_TOO_LARGE" == issue_of(b"\xff" * (documents.MAX_BYTES + 1), ".exe")[0]


def test_a_yaml_bomb_is_an_error_at_its_first_alias() -> None:
    """Before it can expand; the message has line and column."""
    bomb = b"a: &a [x, x]\nb: [*a, *a]\n"

    assert ("MANIFEST_SYNTAX", "is not usable YAML: aliases are not allowed at line 2, column 5") == issue_of(
        bomb, ".yaml"
    )


def test_a_tag_is_an_error_at_its_place() -> None:
    """A tag may contradict its value."""
    assert ("MANIFEST_SYNTAX", "is not usable YAML: tags are not allowed at line 2, column 4") == (
        issue_of(b"a: 1\nb: !!int [1]\n", ".yaml")
    )


def test_a_duplicate_field_is_named() -> None:
    """In JSON and YAML."""
    assert ("FIELD_DUPLICATE", "duplicate field `a`") == issue_of(b'{"a": 1, "a": 2}', ".json")
    assert "duplicate field `a`" in issue_of(b"a: 1\na: 2\n", ".yaml")[1]


def test_the_place_of_a_json_error_is_named() -> None:
    """Line and column, counted from one."""
    assert ("MANIFEST_SYNTAX", "is not JSON: Expecting value at line 2, column 5") == issue_of(b'{\n"a":}', ".json")


def test_the_byte_that_is_not_utf_8_is_named() -> None:
    """Counted from zero, as tools do."""
    assert ("MANIFEST_ENCODING", "is not UTF-8: byte 3") == issue_of(b"a: \xff", ".yaml")


def test_emoji_may_be_written_or_escaped() -> None:
    """A surrogate pair is one character in JSON."""
    assert ["🎧", "🎧"] == documents.load('["🎧", "\\ud83c\\udfa7"]'.encode(), ".json")
    assert ["🎧", "🎧"] == documents.load('["🎧", "\\U0001F3A7"]'.encode(), ".yaml")
