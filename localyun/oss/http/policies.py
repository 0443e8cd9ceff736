"""The OSS actions on the policy of a bucket, which is stored, returned and not evaluated. One function per action."""

import json

from localyun.errors import ServiceError
from localyun.http import HttpResponse
from localyun.oss.http.request import OssRequest
from localyun.oss.http.xml import leaf, xml_response

POLICY = "policy"


def put_policy(request: OssRequest) -> HttpResponse:
    """Answer PutBucketPolicy: the policy is JSON. It is not evaluated."""
    body = request.http.read()
    if not _is_policy(body):
        text = "The policy must be JSON of Version 1 whose statements have an Effect and an Action each."
        raise ServiceError(400, "InvalidPolicyDocument", text)
    request.objects.configurations.put(request.bucket, POLICY, body)
    return HttpResponse(200)


def _is_policy(body: bytes) -> bool:
    try:
        policy = json.loads(body)
        statements = [one for one in policy["Statement"] if isinstance(one, dict)]
        known = all(one["Effect"] in {"Allow", "Deny"} and isinstance(one["Action"], str | list) for one in statements)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    return known and policy.get("Version") == "1" and len(statements) == len(policy["Statement"])


def get_policy(request: OssRequest) -> HttpResponse:
    """Answer GetBucketPolicy."""
    if body := request.objects.configurations.get(request.bucket, POLICY):
        return HttpResponse(200, body, {"Content-Type": "application/json"})
    raise ServiceError(404, "NoSuchBucketPolicy", "The bucket policy does not exist.", BucketName=request.bucket)


def get_policy_status(request: OssRequest) -> HttpResponse:
    """Answer GetBucketPolicyStatus: a policy that allows something to everyone is public."""
    policy = json.loads(request.objects.configurations.get(request.bucket, POLICY) or b"{}")
    statements = policy.get("Statement") or []
    found = [one for one in statements if isinstance(one, dict)] if isinstance(statements, list) else []
    is_public = any(one.get("Effect") == "Allow" and one.get("Principal", "*") in ("*", ["*"]) for one in found)
    return xml_response("PolicyStatus", leaf("IsPublic", is_public))


def delete_policy(request: OssRequest) -> HttpResponse:
    """Answer DeleteBucketPolicy."""
    request.objects.configurations.delete(request.bucket, POLICY)
    return HttpResponse(204)
