"""Every cloud call of the functions, with the permission that it needs.

One line per port method and permission. tests/deploy/test_permissions.py compares the table with the ports, with the
policy of the functions' role in template.yml, and with the permissions that whole jobs use.
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

IMM_ROLE = "acs:ram::{account}:role/{imm_role}"


class Call(NamedTuple):
    """A call, the action and the resource of its permission, and the vendor's page that says so."""

    by: str
    action: str
    resource: str
    source: str


_RAM = "OSS, Grant access by using RAM policies, 2025-12-06"
_IMM = "OSS, Permissions, 2026-03-20"
# A page about documents, and the policy AliyunIMMFullAccess; "Permissions" and "CreateMediaConvertTask" do not name it.
_PASS = "OSS, Common examples of RAM policies, scenario 11, 2026"
_SMQ = "SMQ, RAM authorization, 2026-11"

CALLS = (
    Call("ObjectStore.read", "oss:GetObject", OBJECTS, _RAM),
    Call("ObjectStore.describe", "oss:GetObject", OBJECTS, _RAM),
    Call("ObjectStore.write", "oss:PutObject", OBJECTS, _RAM),
    Call("ObjectStore.copy", "oss:GetObject", OBJECTS, _RAM),
    Call("ObjectStore.copy", "oss:PutObject", OBJECTS, _RAM),  # RAM checks PutObject for parts too
    Call(
        "ObjectStore.delete", "oss:DeleteObject", STATE, _RAM
    ),  # temporary objects, pointers and markers; never a user's object
    Call("ObjectStore.list", "oss:ListObjects", BUCKET, _RAM),
    Call("ObjectStore.list_folders", "oss:ListObjects", BUCKET, _RAM),
    Call("ObjectStore.is_versioned", "oss:GetBucketVersioning", BUCKET, _RAM),
    Call("AudioService.probe", "oss:GetObject", OBJECTS, _IMM),
    Call("AudioService.probe", "oss:ProcessImm", OBJECTS, _IMM),
    Call("AudioService.probe", "imm:DetectMediaMeta", PROJECT, _IMM),
    Call("AudioService.start", "oss:GetObject", OBJECTS, _IMM),
    Call("AudioService.start", "oss:ProcessImm", OBJECTS, _IMM),
    Call("AudioService.start", "oss:PostProcessTask", OBJECTS, _IMM),
    Call("AudioService.start", "oss:PutObject", OBJECTS, _IMM),  # sys/saveas
    Call("AudioService.start", "imm:CreateMediaConvertTask", PROJECT, _IMM),
    Call("AudioService.probe", "ram:PassRole", IMM_ROLE, _PASS),
    Call("AudioService.start", "ram:PassRole", IMM_ROLE, _PASS),
    Call("AudioService.task_outcome", "imm:GetTask", PROJECT, "IMM, RAM authorization, 2026-11"),
    Call("MessageSender.publish", "mns:PublishMessage", TOPIC, _SMQ),
    Call("MessageSender.send", "mns:SendMessage", QUEUE, _SMQ),
    # Calls that Function Compute makes with the function's role.
    Call("asynchronous destination", "mns:SendMessage", DEAD_LETTERS, "FC 3.0, Result callback, 2026-04"),
    Call("log configuration", "log:PostLogStoreLogs", LOGS, "FC 3.0, Configure logging, 2026-11"),
)
# The local cloud writes logs to files, and does not check whether a role may be passed.
NOT_LOCAL = frozenset({"log:PostLogStoreLogs", "ram:PassRole"})
