"""The state of a job for people: how far it is, in which style, and which deliveries are pending."""

from rich.text import Text

from clipstitch.jobs.job import Job
from clipstitch_cli.context import visible
from clipstitch_cli.stored_jobs import JobNames, pending_sinks

_STYLES = {"succeeded": "green", "failed": "red", "rejected": "red"}
_STAGES = {
    "received": "waiting for submit",
    "waiting": "waiting for clips",
    "planned": "starting",
    "running": "merging",
}


def state_text(state: str, *, is_open: bool = False, text: str = "") -> Text:
    """Return a state in its style; `text` replaces the word."""
    return Text((text or state) + (" (open)" if is_open else ""), _STYLES.get(state, "yellow"))


def stage(job: Job) -> str:
    """Return how far a job is, in words."""
    if job.closed or job.state == "publishing":
        return job.state
    if job.decision is not None:
        return f"{job.state}, delivering"
    if job.state == "running" and job.plan:
        return f"merging {len(job.plan.clips)} clips"
    return _STAGES.get(job.state, job.state)


def names_text(names: JobNames, bucket_uri: str) -> str:
    """Return manifest and output of a job; objects of the configured bucket by their keys."""
    return " → ".join(visible(uri.removeprefix(bucket_uri)) for uri in names if uri)


def job_line(job: Job) -> Text:
    """Return id, state and pending deliveries of a job in one line."""
    sinks = pending_sinks(job)
    pending = f"  delivery pending: {', '.join(map(visible, sinks))}" if sinks else ""
    return Text.assemble((job.id, "bold"), "  ", state_text(job.state, is_open=not job.closed), pending)
