"""Bytes to plain values: limits and positions at their very edges."""

import pytest

from clipstitch.common.errors import InvalidManifest
from clipstitch.manifest import documents


def nested(depth: int, suffix: str) -> bytes:
    """Return a document of mappings, that deep, its innermost holding a number."""
    inner = "1"
    for _ in range(depth - 1):
        inner = f'{{"a": {inner}}}'
    return inner.encode() if suffix == ".json" else inner.replace('"', "").encode()


def issue_of(body: bytes, suffix: str) -> tuple[str, str]:
    """Return code and message of what a document is told."""
    with pytest.raises(InvalidManifest) as caught:
        documents.load(body, suffix)
    (issue,) = caught.value.issues
    return issue.code, issue.message


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_twenty_levels_are_read_and_twenty_one_are_not(suffix: str) -> None:
    """A manifest needs three."""
    assert documents.load(nested(20, suffix), suffix)
    assert "MANIFEST_TOO_DEEP" == issue_of(nested(21, suffix), suffix)[0]


def test_the_size_is_looked_at_before_anything_else() -> None:
    """Nothing is decoded or parsed that is too large."""
    assert "MANIFEST_TOO_LARGE" == issue_of(b"\xff" * (documents.MAX_BYTES + 1), ".exe")[0]


def test_a_yaml_bomb_is_refused_at_its_first_alias() -> None:
    """Before it can explode; line and column are named."""
    bomb = b"a: &a [x, x]\nb: [*a, *a]\n"

    assert ("MANIFEST_SYNTAX", "is not usable YAML: aliases are not allowed at line 2, column 5") == issue_of(
        bomb, ".yaml"
    )


def test_a_tag_is_refused_where_it_stands() -> None:
    """A tag may name what its value is not."""
    assert ("MANIFEST_SYNTAX", "is not usable YAML: tags are not allowed at line 2, column 4") == (
        issue_of(b"a: 1\nb: !!int [1]\n", ".yaml")
    )


def test_a_name_that_stands_twice_is_named() -> None:
    """In both languages."""
    assert ("FIELD_DUPLICATE", "duplicate field `a`") == issue_of(b'{"a": 1, "a": 2}', ".json")
    assert "duplicate field `a`" in issue_of(b"a: 1\na: 2\n", ".yaml")[1]


def test_the_place_of_a_mistake_in_json_is_named() -> None:
    """Line and column, counted from one."""
    assert ("MANIFEST_SYNTAX", "is not JSON: Expecting value at line 2, column 5") == issue_of(b'{\n"a":}', ".json")


def test_the_byte_that_is_not_utf_8_is_named() -> None:
    """Counted from zero, as tools do."""
    assert ("MANIFEST_ENCODING", "is not UTF-8: byte 3") == issue_of(b"a: \xff", ".yaml")


def test_emoji_may_be_written_or_escaped() -> None:
    """A whole surrogate pair is one character in JSON."""
    assert ["🎧", "🎧"] == documents.load('["🎧", "\\ud83c\\udfa7"]'.encode(), ".json")
    assert ["🎧", "🎧"] == documents.load('["🎧", "\\U0001F3A7"]'.encode(), ".yaml")
