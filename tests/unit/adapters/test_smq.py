"""What the sender of messages makes of the answers of SMQ, and how it sends them."""

import base64
import re

import pytest

from clipstitch.adapters.smq import SmqMessageSender
from clipstitch.common import errors
from clipstitch.common.credentials import AccessKey
from tests.unit.adapters.canned_cloud import CannedAnswer, CannedCloud

KEY = AccessKey("id", "secret")
ERROR = """<?xml version="1.0"?><Error xmlns="http://mns.aliyuncs.com/doc/v1/"><Code>{}</Code><Message>{}</Message>
<RequestId>1</RequestId><HostId>h</HostId></Error>"""
LIMITED = "The request is denied by cluster flow limiter for too many requests."
XML = {"Content-Type": "text/xml;charset=utf-8", "x-mns-request-id": "1"}
SENT = """<?xml version="1.0"?><Message xmlns="http://mns.aliyuncs.com/doc/v1/"><MessageId>1</MessageId>
<MessageBodyMD5>0</MessageBodyMD5><ReceiptHandle>r</ReceiptHandle></Message>"""


@pytest.mark.parametrize(
    ("status", "code", "message", "means"),
    [
        (429, "TooManyRequests", LIMITED, errors.Throttled),
        (403, "QpsLimitExceeded", "the QPS limit is exceeded", errors.Throttled),
        (429, "SomethingNew", LIMITED, errors.Throttled),
        (500, "InternalError", "", errors.CloudBusy),
        (500, "InternalServerError", "", errors.CloudBusy),
        (503, "ServiceUnavailable", "", errors.CloudBusy),
        (408, "RequestTimeout", "", errors.CloudBusy),
        (404, "QueueNotExist", "", errors.SinkTargetNotFound),
        (404, "TopicNotExist", "", errors.SinkTargetNotFound),
        (403, "AccessDenied", "", errors.AccessDenied),
        (403, "SignatureDoesNotMatch", "", errors.AccessDenied),
        (403, "InvalidSecurityToken", "", errors.AccessDenied),
        (408, "TimeExpired", "", errors.ClockSkewed),
        (400, "MalformedXML", "", errors.CloudRefused),
    ],
)
@pytest.mark.parametrize("kind", ["queue", "topic"])
def test_an_error_of_smq_has_its_meaning(
    status: int, code: str, message: str, means: type[errors.ClipstitchError], kind: str
) -> None:
    """Whatever a later attempt may resolve is retryable: an event that is refused is never sent again.

    SMQ, "Throttling policy", 2026-01-13: above the limit of the account it answers 429, TooManyRequests.
    """
    answer = CannedAnswer(status, ERROR.format(code, message).encode(), XML)
    with CannedCloud({"POST /": answer}).endpoint() as endpoint:
        sender = SmqMessageSender(endpoint, KEY)
        with pytest.raises(errors.ClipstitchError, match=f"{kind} q: {code}") as raised:
            (sender.send if kind == "queue" else sender.publish)("q", "text")

    assert means is type(raised.value)


def test_a_queue_gets_base64_and_a_topic_the_text_itself() -> None:
    """The clients of queues decode by default; subscribers of a topic receive what was published."""
    text = '{"title": "Zürich & Genève"}'
    cloud = CannedCloud({"POST /": CannedAnswer(201, SENT.encode(), XML)})
    with cloud.endpoint() as endpoint:
        sender = SmqMessageSender(endpoint, KEY)
        sender.send("q", text)
        sender.publish("t", text)
    queue, topic = (
        re.findall("<MessageBody>(.*)</MessageBody>", request.body.decode())[0] for request in cloud.requests
    )

    assert ["POST /queues/q/messages", "POST /topics/t/messages"] == cloud.lines()
    assert text == base64.b64decode(queue).decode()
    assert text == topic.replace("&amp;", "&").replace("&quot;", '"')
