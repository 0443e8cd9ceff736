"""One running local cloud for all tests of a module; no attack may change it."""

from collections.abc import Iterator

import pytest

from tests.security.harness import Harness, running_harness


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    """Run the project of the security tests."""
    with running_harness(tmp_path_factory.mktemp("harness")) as harness:
        yield harness
