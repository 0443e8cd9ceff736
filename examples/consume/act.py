"""What is done with an event, once. Put your own work here; this one writes a line."""

from typing import Any


def act(event: dict[str, Any]) -> None:
    """Say how a job ended: for people, one line. Raise when the work failed; the event will come again."""
    print(event["id"], outcome(event["data"]), flush=True)  # noqa: T201 - the line is the act


def outcome(data: dict[str, Any]) -> str:
    """Put a job's end into words, one for each state."""
    if data["state"] == "succeeded":
        output = data["output"]
        return f"{output['uri']} is there, {output['duration_ms'] / 1000:g} s"
    if data["state"] == "rejected":
        count = len(data["issues"]) if "issues" in data else data["issues_count"]
        return f"{data['manifest']['uri']} has {count} mistake{'s' if count > 1 else ''}; the author must correct it"
    return f"{data['error']['code']}: {data['error']['message']}; {data['error']['remedy']}"
