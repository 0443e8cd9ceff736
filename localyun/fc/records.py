"""The record of a finished asynchronous invocation, which goes to a destination of its function. Pure.

Format: FC 3.0, "Destinations for asynchronous invocations" (2026-04-01). A record of a function that raised, in the
vendor's example awesome-fc/destination (read 2026-12), has its error type as `condition` and as `functionError`; the
page's example of an invocation that did not run has a `condition` and an empty `functionError`. Which conditions a task
that expired or was stopped has is not documented; the local cloud has its own.
"""

import json

from localyun.fc.tasks import EXPIRED, STOPPED
from localyun.fc.values import AsyncInvocation, FcSettings, InvocationResult, function_arn

CONDITIONS = {EXPIRED: "EventAgeExceeded", STOPPED: "AsyncTaskStopped"}


def condition(status: str, result: InvocationResult) -> str:
    """Return the error code of a finished invocation: "" for a success."""
    return CONDITIONS.get(status, result.error_type)


def record(
    invocation: AsyncInvocation, status: str, result: InvocationResult, count: int, now: float, settings: FcSettings
) -> str:
    """Return the record of an invocation that ended in a state after `count` runs."""
    context = {
        "requestId": invocation.request_id,
        "functionArn": function_arn(invocation.function, settings, invocation.qualifier),
        "condition": condition(status, result),
        "approximateInvokeCount": count,
    }
    document = {
        "timestamp": round(now * 1000),
        "requestContext": context,
        "requestPayload": invocation.payload.decode(errors="replace"),
        "responseContext": {"statusCode": 200, "functionError": "" if status in CONDITIONS else result.error_type},
        "responsePayload": result.payload.decode(errors="replace"),
    }
    return json.dumps(document, ensure_ascii=False)
