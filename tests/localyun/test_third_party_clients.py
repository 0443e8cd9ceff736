"""Clients of OSS that others wrote: OpenDAL, and ali-oss for Node."""

from collections.abc import Iterator
from pathlib import Path

import opendal
import pytest

from tests.deploy import tools
from tests.flow.reference_cloud import clipstitch_up
from tests.flow.reference_toolchains import run_node

PRINTED = """\
put: 200
get: 0123456789
range: 234
meta: 7
multipart: 3145728
append: 7
tags: 1
list: js/a b+ä.txt js/big js/copy js/log
missing: NoSuchKey 404
bucket: oss-cn-hangzhou
deleted: 4
"""


@pytest.fixture(scope="module")
def variables() -> Iterator[dict[str, str]]:
    """Run one local cloud; the empty variable of its token is omitted, as users omit it."""
    with clipstitch_up() as printed:
        yield {name: value for name, value in printed.items() if value}


def test_opendal_stores_lists_copies_and_deletes(variables: dict[str, str]) -> None:
    """It has the bucket in the path, and big objects in parts."""
    operator = opendal.Operator(
        "oss",
        bucket=variables["CLIPSTITCH_BUCKET"],
        endpoint=variables["OSS_ENDPOINT"],
        access_key_id=variables["OSS_ACCESS_KEY_ID"],
        access_key_secret=variables["OSS_ACCESS_KEY_SECRET"],
        addressing_style="path",
        root="/dal/",
    )
    operator.write("a b/ä+c.txt", b"0123456789")
    operator.copy("a b/ä+c.txt", "copy.txt")
    with operator.open("big", "wb") as file:
        for part in range(3):
            file.write(bytes([part]) * (5 << 20))
    with operator.open("big", "rb") as file:
        file.seek((5 << 20) - 2)
        across = file.read(4)
    listed = sorted(entry.path for entry in operator.list("", recursive=True))
    operator.delete("copy.txt")

    assert ["a b/ä+c.txt", "big", "copy.txt"] == [path for path in listed if not path.endswith("/")]
    assert (b"0123456789", 15 << 20, b"\0\0\1\1") == (
        bytes(operator.read("a b/ä+c.txt")),
        operator.stat("big").content_length,
        bytes(across),
    )
    assert [True, False] == [operator.exists(path) for path in ("big", "copy.txt")]


def test_ali_oss_stores_lists_copies_and_deletes(variables: dict[str, str], tmp_path: Path) -> None:
    """The vendor's client for Node, signed by V1 and V4."""
    modules = tools.TOOLS / "node_modules"
    tools.require(modules / "ali-oss", "ali-oss")
    printed = run_node(Path(__file__).parent / "sdk" / "objects.js", tmp_path, variables, modules)

    assert 2 * PRINTED == printed
