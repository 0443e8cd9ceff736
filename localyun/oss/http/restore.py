"""The OSS actions on archived objects: restore, and end a restore. One function per action."""

from localyun.http import HttpResponse
from localyun.oss.archive import RestoreJob, checked_tier
from localyun.oss.http.objects import found_object, version_headers
from localyun.oss.http.request import OssRequest
from localyun.oss.http.xml import malformed, parse
from localyun.oss.service import StoredObject

ROOT = "RestoreRequest"


def restore_object(request: OssRequest) -> HttpResponse:
    """Answer RestoreObject: 202 if a restore begins, 200 if the object is restored already."""
    found = found_object(request)
    job = _job(request, found)
    tier = checked_tier(found, job)
    begun = request.objects.restore(found, job)
    priority = {"x-oss-object-restore-priority": tier} if tier else {}
    return HttpResponse(202 if begun else 200, b"", {**version_headers(found), **priority})


def clean_restored_object(request: OssRequest) -> HttpResponse:
    """Answer CleanRestoredObject."""
    found = found_object(request)
    request.objects.end_restore(found)
    return HttpResponse(200, b"", version_headers(found))


def _job(request: OssRequest, found: StoredObject) -> RestoreJob:
    """Return the requested restore; Archive has no priorities (vendor's Python SDK, tests/test_object.py)."""
    if not (body := request.http.read()):
        return RestoreJob()
    root = parse(body, ROOT)
    if found.storage_class == "Archive" and root.find("JobParameters") is not None:
        raise malformed(ROOT, "an object of the class Archive has no JobParameters")
    return RestoreJob((root.findtext("Days") or "").strip(), (root.findtext("JobParameters/Tier") or "").strip())
