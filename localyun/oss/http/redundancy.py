"""The OSS actions that change a bucket from local (LRS) to zonal redundancy (ZRS). Here the change is done at once.

Elements: the vendor's tests and models (Python, both SDKs), read 2026-12.
"""

from localyun.errors import ServiceError
from localyun.http import HttpResponse
from localyun.oss.http.configurations import found_text
from localyun.oss.http.request import OssRequest
from localyun.oss.http.upload_headers import BUCKET_CLASS, bucket_class
from localyun.oss.http.xml import document, iso, leaf, leaves, xml_response
from localyun.oss.values import invalid_argument

TASKS, ROOT, LIST = "redundancyTransition", "BucketDataRedundancyTransition", "ListBucketDataRedundancyTransition"
TARGET, TASK_ID = "x-oss-target-redundancy-type", "x-oss-redundancy-transition-taskid"


def create_transition(request: OssRequest) -> HttpResponse:
    """Answer CreateBucketDataRedundancyTransition. Raises InvalidArgument."""
    target = request.query.get(TARGET, "")
    if target != "ZRS" or found_text(request, BUCKET_CLASS, "DataRedundancyType") == "ZRS":
        raise invalid_argument(TARGET, target, f"The {TARGET} must be ZRS, of a bucket that is LRS.")
    stored = request.objects.configurations
    kind = leaves(StorageClass=bucket_class(stored, request.bucket), DataRedundancyType=target)
    stored.put(request.bucket, BUCKET_CLASS, document(BUCKET_CLASS, kind))
    now, task = iso(request.context.clock.now()), request.context.clock.token(32)
    times = leaves(CreateTime=now, StartTime=now, EndTime=now, ProcessPercentage=100, EstimatedRemainingTime=0)
    content = leaves(Bucket=request.bucket, TaskId=task, Status="Finished") + times
    stored.put(request.bucket, TASKS, document(ROOT, content), task)
    return xml_response(ROOT, leaf("TaskId", task))


def get_transition(request: OssRequest) -> HttpResponse:
    """Answer GetBucketDataRedundancyTransition, or without a task ListBucketDataRedundancyTransition."""
    found = request.objects.configurations.all(request.bucket, TASKS)
    if not (task := request.query.get(TASK_ID, "")):
        return _list(list(found.values()))
    if task not in found:
        text = "The redundancy transition task does not exist."
        raise ServiceError(404, "NoSuchRedundancyTransitionTask", text, TaskId=task)
    return HttpResponse(200, found[task], {"Content-Type": "application/xml"})


def list_transitions(request: OssRequest) -> HttpResponse:
    """Answer ListUserDataRedundancyTransition: of all buckets, in one page."""
    stored = request.objects.configurations
    return _list([task for bucket in request.objects.buckets() for task in stored.all(bucket.name, TASKS).values()])


def delete_transition(request: OssRequest) -> HttpResponse:
    """Answer DeleteBucketDataRedundancyTransition."""
    request.objects.configurations.delete(request.bucket, TASKS, request.query.get(TASK_ID, ""))
    return HttpResponse(204)


def _list(tasks: list[bytes]) -> HttpResponse:
    documents = (task.decode().partition("?>\n")[2] for task in tasks)
    return xml_response(LIST, leaf("IsTruncated", False), *documents)
