"""Delivers the records of finished asynchronous invocations to the queue or topic that an ARN names."""

import re

from localyun.errors import ServiceError
from localyun.smq.service import MessageService

# Official pages write destinations with and without the account: acs:mns:REGION:[ACCOUNT]:/queues/Q/messages
_DESTINATION = re.compile(r"acs:mns:[^:]*:[^:]*:/?(queues|topics)/([^/]+)(?:/messages)?")


def deliver_record(messages: MessageService, arn: str, record: str) -> None:
    """Deliver a record to a queue or topic; raise `ServiceError` if there is no such destination."""
    if not (match := _DESTINATION.fullmatch(arn)):
        known = "acs:mns:REGION:ACCOUNT:/queues/Q/messages, acs:mns:REGION:ACCOUNT:/topics/T/messages, acs:fc:..."
        raise ServiceError(400, "InvalidArgument", f"{arn} is not a supported destination; supported: {known}")
    send = messages.send if match[1] == "queues" else messages.publish
    send(match[2], record)
