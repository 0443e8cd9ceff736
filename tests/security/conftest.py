"""One besieged cloud for all tests of the doors: nothing that is tried there may change it."""

from collections.abc import Iterator

import pytest

from tests.security.harness import Siege, besieged


@pytest.fixture(scope="module")
def siege(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege]:
    """Run the project."""
    with besieged(tmp_path_factory.mktemp("siege")) as running:
        yield running
