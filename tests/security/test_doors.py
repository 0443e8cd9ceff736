"""At every door, by every way in that we know: nobody gets in, each hears the vendor's code, and nothing changes."""

import itertools

import pytest

from tests.security import signers
from tests.security.break_ins import BREAK_INS, DOORS, LATE, WAYS, Attempt, stolen, told
from tests.security.harness import Siege
from tests.security.wire import Request

_NUMBERS = itertools.count()
CREATED = (200, 201, 204)


@pytest.fixture
def attempt(siege: Siege, door: str) -> Attempt:
    """Stand at a door, and ask for something that nobody has asked for yet."""
    return Attempt(siege, DOORS[door], str(next(_NUMBERS)))


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("who", ["owner", "role"])
def test_who_has_the_right_key_gets_in(siege: Siege, attempt: Attempt, who: str):
    """The control of all that follows: what was asked for has happened."""
    siege.cloud.services.objects.delete("mine", "mine")
    before = siege.everything()
    answer = attempt.send(attempt.signed(siege.role if who == "role" else siege.root))

    assert answer.status in CREATED, answer
    assert before != siege.everything()


@pytest.mark.parametrize(("door", "break_in"), WAYS)
def test_nobody_else_gets_in(siege: Siege, attempt: Attempt, door: str, break_in: str):
    """Status and code are the vendor's; no object, message, project, log line or file is another than before."""
    before = siege.everything()
    answer = attempt.send(BREAK_INS[break_in](attempt))

    assert told(door, break_in) == answer[:2], answer
    assert before == siege.everything()


@pytest.mark.parametrize("door", DOORS)
def test_a_request_that_somebody_noted_down_is_worth_nothing_after_its_window(
    siege: Siege, attempt: Attempt, door: str
):
    """The very bytes that were good a moment ago."""
    noted = attempt.signed()
    first = attempt.send(noted)
    with siege.later(LATE):
        before = siege.everything()
        again = attempt.send(noted)

        assert first.status in CREATED
        assert told(door, "signed too long ago") == again[:2]
        assert before == siege.everything()


@pytest.mark.parametrize(("signed_for", "door"), list(itertools.permutations(DOORS, 2)))
def test_a_signature_opens_no_other_door(siege: Siege, attempt: Attempt, signed_for: str):
    """What proves who one is at one door is shown at another, for another thing."""
    theirs = Attempt(siege, DOORS[signed_for], attempt.tail).signed()
    request = stolen(attempt.unsigned)
    proof = {name: value for name, value in theirs.headers.items() if not name.startswith("content-")}
    query = "&".join(filter(None, (theirs.query, request.query)))
    before = siege.everything()
    answer = attempt.send(request._replace(headers={**proof, **request.headers}, query=query))

    assert 400 <= answer.status < 500, answer
    assert answer.code
    assert before == siege.everything()


def test_a_header_does_not_choose_another_action_than_the_one_that_was_signed(siege: Siege):
    """In the RPC style the signature covers the parameters only, so nothing else may count."""
    ask = Request("POST", "/", "Action=GetProject&ProjectName=mine-signed&Version=2020-09-30")
    signed = signers.rpc(ask, siege.root, siege.clock.now(), siege.host("imm"))
    before = siege.everything()
    answer = siege.send("imm", signed.plus(x_acs_action="CreateProject"))

    assert (404, "ResourceNotFound") == answer[:2]
    assert before == siege.everything()


def test_a_refusal_shows_no_secret(siege: Siege):
    """Whatever is said about the text that was signed, what it was signed with is not."""
    secrets = [siege.root.access_key_secret, siege.role.access_key_secret, siege.role.security_token]
    for door, break_in in WAYS:
        attempt = Attempt(siege, DOORS[door])
        said = attempt.send(BREAK_INS[break_in](attempt)).body.decode()

        assert [] == [secret for secret in secrets if secret in said], (door, break_in)
