"""What OSS answers to requests that the vendor's high-level calls do not send, signed by the vendor's client."""

from collections.abc import Iterator
from typing import Any

import alibabacloud_oss_v2 as oss
import pytest

from tests.localyun.oss_world import BUCKET, World, world


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Serve one bucket for all tests of this file."""
    with world(tmp_path_factory.mktemp("oss")) as here:
        yield here


def call(
    here: World, method: str, key: str | None = None, body: bytes = b"", *, bucket: str = BUCKET, **given: Any
) -> oss.OperationOutput:
    """Return the response to a request; `given` are its parameters and headers. Raises OperationError."""
    return here.client().invoke_operation(
        oss.OperationInput(op_name="Raw", method=method, bucket=bucket, key=key, body=body, **given)
    )


def refused(here: World, code: str, status: int, *args: Any, **given: Any) -> Any:
    """Return the error of a request, after checking its code and status."""
    with pytest.raises(oss.exceptions.OperationError) as caught:
        call(here, *args, **given)
    error = caught.value.unwrap()
    assert (code, status) == (error.code, error.status_code), error
    return error


@pytest.mark.parametrize(
    ("method", "key", "name"),
    [
        ("PUT", "k", "retention"),
        ("PUT", "k", "legalHold"),
        ("PUT", "k", "xyz"),
        ("PUT", "k", "partNumber"),
        ("POST", "k", "seal"),
        ("DELETE", "k", "xyz"),
        ("DELETE", "k", "uploads"),
        ("DELETE", None, "dataAccelerator"),
        ("DELETE", None, "xyz"),
        ("DELETE", None, "inventoryId"),
        ("PUT", None, "dataAccelerator"),
        ("GET", "k", "retention"),
        ("HEAD", "k", "legalHold"),
        ("GET", None, "dataAccelerator"),
    ],
)
def test_an_unknown_parameter_is_never_mistaken_for_the_plain_action(
    here: World, method: str, key: str | None, name: str
) -> None:
    """The bucket and the object stay as they are."""
    here.objects.put(BUCKET, "k", b"kept")
    refused(here, "NotImplemented", 501, method, key, b"<xml/>", parameters={name: ""})

    assert here.objects.head(BUCKET, "k").size == 4


@pytest.mark.parametrize(
    ("method", "name"),
    [("GET", "xyz"), ("HEAD", "xyz"), ("GET", "response-content-type"), ("PUT", "x-oss-traffic-limit")],
)
def test_parameters_that_select_no_action_are_accepted(here: World, method: str, name: str) -> None:
    """A read ignores what it does not know, as a signature of V4 covers every parameter of a client."""
    here.objects.put(BUCKET, "k", b"1")

    assert call(here, method, "k", parameters={name: "819200"}).status_code == 200
