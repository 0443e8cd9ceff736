"""Act on an event. Replace `act` with your own work; this one prints a line."""

from typing import Any


def act(event: dict[str, Any]) -> None:
    """Print one line about a finished job. Raise an exception if your work fails; the event is then delivered again."""
    print(event["id"], describe_outcome(event["data"]), flush=True)  # noqa: T201 - printing is the work of this example


def describe_outcome(data: dict[str, Any]) -> str:
    """Return a sentence about a finished job; every state has its own."""
    if data["state"] == "succeeded":
        output = data["output"]
        return f"{output['uri']} is available, {output['duration_ms'] / 1000:g} s"
    if data["state"] == "rejected":
        count = len(data["issues"]) if "issues" in data else data["issues_count"]
        return f"{data['manifest']['uri']} has {count} error{'s' if count > 1 else ''}; the author must correct it"
    return f"{data['error']['code']}: {data['error']['message']}; {data['error']['remedy']}"
