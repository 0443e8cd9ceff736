"""Every sink receives one event per job, and the result object is that of the newest job."""

import json
from collections import Counter
from collections.abc import Iterator

from clipstitch.common.identifiers import ObjectRef, is_newer
from tests.simulation.invariants.history import History
from tests.simulation.invariants.replacements import replaced_by_older_job
from tests.simulation.setups import BUCKET, RESULTS

_SINK_OF_KIND = {"topic": "events", "queue": "queue"}
_RESULT_WINDOW = "result object"


def check_events(history: History) -> Iterator[str]:
    """Check that every sink received one event per job, with one content and the final state of the job."""
    contents, received = _delivered_events(history)
    yield from (f"event {event} has {len(texts)} contents" for event, texts in contents.items() if len(texts) > 1)
    ids = Counter(event.rpartition(".")[0] for event in contents)
    yield from (f"{job} has {count} event ids" for job, count in ids.items() if count > 1)
    for event in contents:
        job, _, state = event.rpartition(".")
        if history.states.get(job) != state:
            yield f"{event} was delivered, but the job is {history.states.get(job)}"
    for job in history.jobs:
        for sink in history.document(job, "decision").get("sinks", ()):
            if (job, sink) not in received and "error" not in history.document(job, f"delivered.{sink}"):
                yield f"the event of {job} was not delivered to {sink}"


def _delivered_events(history: History) -> tuple[dict[str, set[str]], set[tuple[str, str]]]:
    """Return the contents of each event id, and the pairs of job and sink that received an event."""
    contents: dict[str, set[str]] = {}
    received: set[tuple[str, str]] = set()
    for attempt in history.world.webhooks.attempts:
        contents.setdefault(attempt.event_id, set()).add(attempt.text)
        if attempt.accepted:
            received.add((attempt.job, attempt.webhook.lower()))
    for kind, _, text in history.world.messages.said:
        event = json.loads(text)
        contents.setdefault(event["id"], set()).add(text)
        received.add((event["data"]["job"], _SINK_OF_KIND[kind]))
    return contents, received


def check_results(history: History) -> Iterator[str]:
    """Check that every manifest that had a job has a result object, which is that of its newest job."""
    jobs_of_manifest: dict[str, list[str]] = {}
    for job in history.jobs:
        if key := history.document(job, "decision").get("manifest", {}).get("ref", {}).get("key"):
            jobs_of_manifest.setdefault(key, []).append(job)
    for key, jobs in jobs_of_manifest.items():
        yield from _check_result(history, key, jobs)


def _check_result(history: History, manifest_key: str, jobs: list[str]) -> Iterator[str]:
    ref = ObjectRef(BUCKET, f"{RESULTS}{manifest_key}.json")
    delivered = [job for job in jobs if "error" not in history.document(job, "delivered.result")]
    if ref not in history.stored:
        if delivered:
            yield f"{manifest_key} has no result object"
        return
    event = json.loads(history.stored[ref].body)
    job = event["data"]["job"]
    if event["data"]["state"] != history.states.get(job):
        yield f"the result of {manifest_key} is {event['id']}, but the job is {history.states.get(job)}"
    before = history.windows[_RESULT_WINDOW]
    yield from replaced_by_older_job(history, ref, _RESULT_WINDOW)
    if delivered and is_newer(max(delivered), than=job) and history.windows[_RESULT_WINDOW] == before:
        yield f"the result of {manifest_key} is not that of its newest job"
