"""At every entry point, every attack gets the vendor's error and changes nothing."""

import itertools

import pytest

from tests.security import signers
from tests.security.attacks import ATTACK_CASES, ATTACKS, ENTRY_POINTS, LATE, Attempt, expected_error, retargeted
from tests.security.harness import Harness
from tests.security.wire import Request

_NUMBERS = itertools.count()
SUCCESS = (200, 201, 204)


@pytest.fixture
def attempt(harness: Harness, name: str) -> Attempt:
    """Return an attempt at an entry point, with resource names that no other test uses."""
    return Attempt(harness, ENTRY_POINTS[name], str(next(_NUMBERS)))


@pytest.mark.parametrize("name", ENTRY_POINTS)
@pytest.mark.parametrize("principal", ["owner", "role"])
def test_a_valid_signature_is_accepted(harness: Harness, attempt: Attempt, principal: str) -> None:
    """The request takes effect, so that the refusals in the other tests mean something."""
    harness.cloud.services.objects.delete("mine", "mine")
    before = harness.snapshot()
    response = attempt.send(attempt.signed(harness.role if principal == "role" else harness.owner))

    assert response.status in SUCCESS, response
    assert before != harness.snapshot()


@pytest.mark.parametrize(("name", "attack"), ATTACK_CASES)
def test_an_attack_is_refused_and_changes_nothing(harness: Harness, attempt: Attempt, name: str, attack: str) -> None:
    """Status and code are the vendor's, and all objects, messages, projects, log lines and files are unchanged."""
    before = harness.snapshot()
    response = attempt.send(ATTACKS[attack](attempt))

    assert expected_error(name, attack) == response[:2], response
    assert before == harness.snapshot()


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_a_replay_after_the_time_window_is_refused(harness: Harness, attempt: Attempt, name: str) -> None:
    """The same bytes were accepted within the time window."""
    signed = attempt.signed()
    first = attempt.send(signed)
    with harness.later(LATE):
        before = harness.snapshot()
        replay = attempt.send(signed)

        assert first.status in SUCCESS
        assert expected_error(name, "an expired signature") == replay[:2]
        assert before == harness.snapshot()


@pytest.mark.parametrize(("signed_for", "name"), list(itertools.permutations(ENTRY_POINTS, 2)))
def test_a_signature_for_another_entry_point_is_refused(harness: Harness, attempt: Attempt, signed_for: str) -> None:
    """The headers and the query that one entry point accepts are sent to another, for another resource."""
    signed = Attempt(harness, ENTRY_POINTS[signed_for], attempt.suffix).signed()
    request = retargeted(attempt.unsigned)
    credentials = {name: value for name, value in signed.headers.items() if not name.startswith("content-")}
    query = "&".join(filter(None, (signed.query, request.query)))
    before = harness.snapshot()
    response = attempt.send(request._replace(headers={**credentials, **request.headers}, query=query))

    assert 400 <= response.status < 500, response
    assert response.code
    assert before == harness.snapshot()


def test_an_unsigned_header_cannot_change_the_signed_action(harness: Harness) -> None:
    """A signature in RPC style covers only the parameters, so the action comes from them and not from a header."""
    request = Request("POST", "/", "Action=GetProject&ProjectName=mine-signed&Version=2020-09-30")
    signed = signers.rpc(request, harness.owner, harness.clock.now(), harness.host("imm"))
    before = harness.snapshot()
    response = harness.send("imm", signed.with_headers(x_acs_action="CreateProject"))

    assert (404, "ResourceNotFound") == response[:2]
    assert before == harness.snapshot()


def test_no_error_response_contains_a_secret(harness: Harness) -> None:
    """Some responses repeat the signed string; none contains a key's secret or a token."""
    secrets = [harness.owner.access_key_secret, harness.role.access_key_secret, harness.role.security_token]
    for name, attack in ATTACK_CASES:
        attempt = Attempt(harness, ENTRY_POINTS[name])
        body = attempt.send(ATTACKS[attack](attempt)).body.decode()

        assert [] == [secret for secret in secrets if secret in body], (name, attack)
