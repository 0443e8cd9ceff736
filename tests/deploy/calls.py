"""Every call that the functions make in the cloud, and the right that each needs.

One line per port method and right. tests/deploy/test_rights.py compares the table with the ports, with the policy of
the functions' role in template.yml, and with what a whole flow really asks for.
"""

from typing import NamedTuple

BUCKET = "acs:oss:*:{account}:{bucket}"
OBJECTS = BUCKET + "/*"
STATE = BUCKET + "/_clipstitch/*"
PROJECT = "acs:imm:*:{account}:project/{project}"
TOPIC = "acs:mns:*:{account}:/topics/{events_topic}/messages"
QUEUE = "acs:mns:*:{account}:/queues/{events_queue}/messages"
DEAD_LETTERS = "acs:mns:*:{account}:/queues/{dead_letters}/messages"
LOGS = "acs:log:*:{account}:project/{logs}/logstore/functions"


class Call(NamedTuple):
    """A call, the right it needs, on what, and who says so."""

    by: str
    action: str
    resource: str
    source: str


_RAM = "OSS, Grant access by using RAM policies, 2025-12-06"
_IMM = "OSS, Permissions, 2026-03-20"
_SMQ = "SMQ, RAM authorization, 2026-11"

CALLS = (
    Call("Objects.read", "oss:GetObject", OBJECTS, _RAM),
    Call("Objects.describe", "oss:GetObject", OBJECTS, _RAM),
    Call("Objects.write", "oss:PutObject", OBJECTS, _RAM),
    Call("Objects.copy", "oss:GetObject", OBJECTS, _RAM),
    Call("Objects.copy", "oss:PutObject", OBJECTS, _RAM),  # in parts too: all of them are PutObject to RAM
    Call("Objects.delete", "oss:DeleteObject", STATE, _RAM),  # work, pointers and markers; never a user's object
    Call("Objects.list", "oss:ListObjects", BUCKET, _RAM),
    Call("Objects.folders", "oss:ListObjects", BUCKET, _RAM),
    Call("Objects.versioned", "oss:GetBucketVersioning", BUCKET, _RAM),
    Call("Audio.probe", "oss:GetObject", OBJECTS, _IMM),
    Call("Audio.probe", "oss:ProcessImm", OBJECTS, _IMM),
    Call("Audio.probe", "imm:DetectMediaMeta", PROJECT, _IMM),
    Call("Audio.start", "oss:GetObject", OBJECTS, _IMM),
    Call("Audio.start", "oss:ProcessImm", OBJECTS, _IMM),
    Call("Audio.start", "oss:PostProcessTask", OBJECTS, _IMM),
    Call("Audio.start", "oss:PutObject", OBJECTS, _IMM),  # sys/saveas
    Call("Audio.start", "imm:CreateMediaConvertTask", PROJECT, _IMM),
    Call("Audio.ended", "imm:GetTask", PROJECT, "IMM, RAM authorization, 2026-11"),
    Call("Messages.publish", "mns:PublishMessage", TOPIC, _SMQ),
    Call("Messages.send", "mns:SendMessage", QUEUE, _SMQ),
    # What Function Compute does with the function's role.
    Call("asynchronous destination", "mns:SendMessage", DEAD_LETTERS, "FC 3.0, Result callback, 2026-04"),
    Call("log configuration", "log:PostLogStoreLogs", LOGS, "FC 3.0, Configure logging, 2026-11"),
)
NOT_LOCAL = frozenset({"log:PostLogStoreLogs"})  # the local cloud writes logs to files
