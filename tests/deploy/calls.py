"""Every cloud call of the functions, and of the other roles in template.yml, with the permission that it needs.

One line per port method and permission; localyun/ram/actions.tsv has the shape of the resource, and the vendor's page.
tests/deploy/test_permissions.py compares the calls with the ports, with the policies of the roles in template.yml, and
with the permissions that whole jobs use.
"""

from collections.abc import Mapping
from typing import NamedTuple

from localyun.ram.actions import find_action


class Call(NamedTuple):
    """A call, the action of its permission, and the parts of the resource, which may name an output of the template."""

    by: str
    action: str
    parts: tuple[str, ...]

    def resource(self, account: str, names: Mapping[str, str]) -> str:
        """Return the resource in the words of the template: in every region."""
        return find_action(self.action).arn(account, "*", [part.format_map(names) for part in self.parts])


_BUCKET = ("{bucket}",)
_OBJECTS = (*_BUCKET, "*")
_PROJECT = ("{project}",)
_STATE, _RESULTS, _OUTPUTS = ((*_BUCKET, f"{prefix}*") for prefix in ("_clipstitch/", "results/", "{output_prefix}"))
_WORK = (*_BUCKET, "_clipstitch/work/*")

CALLS = (
    Call("ObjectStore.read", "oss:GetObject", _OBJECTS),
    Call("ObjectStore.describe", "oss:GetObject", _OBJECTS),
    Call("ObjectStore.describe", "oss:GetObject", _OUTPUTS),  # perhaps in another bucket
    # Facts, markers, pointers and silence; the result object; chapters, beside the output.
    Call("ObjectStore.write", "oss:PutObject", _STATE),
    Call("ObjectStore.write", "oss:PutObject", _RESULTS),
    Call("ObjectStore.write", "oss:PutObject", _OUTPUTS),
    Call("ObjectStore.copy", "oss:GetObject", _OBJECTS),
    Call("ObjectStore.copy", "oss:PutObject", _OUTPUTS),  # RAM checks PutObject for parts too
    Call("ObjectStore.copy", "oss:AbortMultipartUpload", _OUTPUTS),  # of a copy in parts that failed
    # Markers, pointers and step targets; never a fact, and never a user's object.
    Call("ObjectStore.delete", "oss:DeleteObject", (*_BUCKET, "_clipstitch/open/*")),
    Call("ObjectStore.delete", "oss:DeleteObject", (*_BUCKET, "_clipstitch/tasks/*")),
    Call("ObjectStore.delete", "oss:DeleteObject", _WORK),
    Call("ObjectStore.list", "oss:ListObjects", _BUCKET),
    Call("ObjectStore.list_folders", "oss:ListObjects", _BUCKET),
    Call("ObjectStore.is_versioned", "oss:GetBucketVersioning", _BUCKET),
    Call("AudioService.probe", "oss:GetObject", _OBJECTS),
    Call("AudioService.probe", "oss:ProcessImm", _OBJECTS),
    Call("AudioService.probe", "imm:DetectMediaMeta", _PROJECT),
    Call("AudioService.start", "oss:GetObject", _OBJECTS),
    Call("AudioService.start", "oss:ProcessImm", _OBJECTS),
    Call("AudioService.start", "oss:PostProcessTask", _OBJECTS),
    Call("AudioService.start", "oss:PutObject", _STATE),  # sys/saveas: the target is below work/
    Call("AudioService.start", "imm:CreateMediaConvertTask", _PROJECT),
    # A page about documents and AliyunIMMFullAccess have it; "Permissions" and CreateMediaConvertTask do not.
    Call("AudioService.probe", "ram:PassRole", ("{imm_role}",)),
    Call("AudioService.start", "ram:PassRole", ("{imm_role}",)),
    Call("AudioService.task_outcome", "imm:GetTask", _PROJECT),
    Call("MessageSender.publish", "mns:PublishMessage", ("{events_topic}",)),
    Call("MessageSender.send", "mns:SendMessage", ("{events_queue}",)),
    # Calls that Function Compute makes with the function's role.
    Call("asynchronous destination", "mns:SendMessage", ("{dead_letters}",)),
    Call("log configuration", "log:PostLogStoreLogs", ("{logs}", "functions")),
)

# The calls of other services and functions, by the role with which they make them.
OTHER_CALLS = {
    "imm": (
        Call("read a clip or a step target", "oss:GetObject", _OBJECTS),
        Call("write a step target", "oss:PutObject", _WORK),
        Call("publish a completion notification", "mns:PublishMessage", ("{completion_topic}",)),
        Call("pass itself to IMM", "ram:PassRole", ("{imm_role}",)),
    ),
    "attach": (
        Call("AttachOSSBucket", "imm:AttachOSSBucket", _PROJECT),
        Call("GetOSSBucketAttachment", "imm:GetOSSBucketAttachment", ()),  # no resource-level permissions
        Call("DetachOSSBucket", "imm:DetachOSSBucket", ()),  # no resource-level permissions
        Call("log configuration", "log:PostLogStoreLogs", ("{logs}", "functions")),
    ),
    "oss-trigger": (Call("OSS triggers", "fc:InvokeFunction", ("{prefix}-submit*",)),),  # perhaps with a qualifier
    "mns-trigger": (Call("SMQ trigger", "fc:InvokeFunction", ("{prefix}-complete*",)),),  # perhaps with a qualifier
}
