"""Create-once documents have one content, and runs write only where they may."""

from collections.abc import Iterator

from tests.simulation.invariants.history import History
from tests.simulation.object_store import USER
from tests.simulation.setups import BUCKET, RESULTS, STATE

_CREATE_ONCE = ("/planned.json", "/decision.json", "/result.json")


def check_create_once(history: History) -> Iterator[str]:
    """Check that plan, decision and result are never written with a second content."""
    contents: dict[str, set[bytes]] = {}
    for change in history.written:
        if change.ref.key.startswith(f"{STATE}jobs/") and change.ref.key.endswith(_CREATE_ONCE):
            contents.setdefault(change.ref.key, set()).add(change.body or b"")
    yield from (f"{key} was written with {len(each)} contents" for key, each in contents.items() if len(each) > 1)


def check_prefixes(history: History) -> Iterator[str]:
    """Check that runs write only facts, to the state bucket, results and outputs, and tasks only working files."""
    outputs = {expected.output_key for expected in history.world.scenario.expectations.values() if expected.valid}
    writable = outputs | {key.rpartition(".")[0] + ".vtt" for key in outputs}
    state_bucket = history.world.setup.state_bucket or BUCKET
    for change in history.changes:
        key = change.ref.key
        is_working_file = key.startswith(f"{STATE}work/")
        is_fact = key.startswith(STATE) and not is_working_file
        is_output = change.body is not None and key in writable
        allowed = change.actor == USER or is_working_file
        if change.actor > 0:
            allowed = is_fact or is_working_file or key.startswith(RESULTS) or is_output
        if not allowed or change.ref.bucket != (state_bucket if is_fact else BUCKET):
            yield f"{change.ref.uri} was changed by {change.actor}"
