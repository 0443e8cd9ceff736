"""Checks the access key, the clock, the buckets and their binding to IMM. Pure."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from clipstitch.common.errors import AccessDenied, ClipstitchError, PublicEndpointForbidden
from clipstitch.usecases.settings import Settings
from clipstitch_cli.doctor.deployment_facts import AccessKeyRejected, BucketFacts, RegionMismatch
from clipstitch_cli.doctor.findings import Finding, bad, no_answer, ok, skipped, warning

# OSS, "RequestTimeTooSkewed", 2026, and SMQ, "Request protocol", 2026: more than 15 minutes are refused.
MAX_SKEW = timedelta(minutes=15)
WARNING_SKEW = timedelta(seconds=30)  # job ids and deadlines count in seconds
_SET_CLOCK = "sudo timedatectl set-ntp true"
Result = BucketFacts | ClipstitchError | None


def access_key(home: Result, key_id: str) -> Finding:
    """Check by the first signed request whether the cloud accepts the access key."""
    if isinstance(home, AccessKeyRejected):
        return bad("access key", f"{key_id} is rejected: {home}", home.remedy)
    if isinstance(home, ClipstitchError) and not isinstance(home, AccessDenied):
        return skipped("access key", "OSS did not answer a signed request")
    return ok("access key", f"{key_id} is accepted")


def clock(skew: timedelta) -> list[Finding]:
    """Check how far this machine's clock is ahead of the cloud's."""
    off = f"{abs(skew).total_seconds():.0f} s {'ahead of' if skew > timedelta() else 'behind'} the cloud's"
    if abs(skew) > MAX_SKEW:
        return [bad("clock", f"this machine's clock is {off}; OSS and SMQ refuse more than 15 minutes", _SET_CLOCK)]
    if abs(skew) > WARNING_SKEW:
        return [warning("clock", f"this machine's clock is {off}", _SET_CLOCK)]
    return [ok("clock", f"this machine's clock agrees with the cloud's to {WARNING_SKEW.seconds} s")]


def bucket(name: str, found: Result, settings: Settings) -> Finding:
    """Check that a bucket exists; the stack creates the bucket for manifests, and no other."""
    if found is None:
        deploy = f"OSS_REGION={settings.oss_region} CLIPSTITCH_BUCKET={name} s deploy"
        remedy = deploy if name == settings.bucket else _make_bucket(name, settings)
        return bad("bucket", f"there is no bucket {name}", remedy)
    if isinstance(found, RegionMismatch):
        return skipped("bucket", "the region is wrong")
    if isinstance(found, ClipstitchError):
        return no_answer("bucket", found)
    return ok("bucket", f"{name} exists")


def region(name: str, found: Result, settings: Settings) -> Finding | None:
    """Check that a bucket is in the region of everything else; return None if the bucket is unknown."""
    if isinstance(found, RegionMismatch):
        return bad("region", f"{found}", f"export OSS_REGION={found.region}")
    if not isinstance(found, BucketFacts):
        return None
    if found.region != settings.oss_region:
        message = f"bucket {name} is in {found.region}, everything else in {settings.oss_region}"
        deploy = f"OSS_REGION={found.region} CLIPSTITCH_BUCKET={name} s deploy"
        replace = _replace_bucket(f"{name}-{settings.oss_region}", name, settings)
        return bad("region", message, deploy if name == settings.bucket else replace)
    return ok("region", f"bucket {name} is in {found.region}")


def versioning(buckets: Mapping[str, Result], settings: Settings) -> Iterator[Finding]:
    """Check that create-once writes work: required where facts are stored, recommended for outputs."""
    known = {name: found for name, found in buckets.items() if isinstance(found, BucketFacts)}
    versioned = {name: found.versioning for name, found in known.items() if found.versioning}
    for name, status in versioned.items():
        other = f"{name}-unversioned"  # versioning can be suspended, but never removed
        deploy, replace = f"CLIPSTITCH_BUCKET={other} s deploy", _replace_bucket(other, name, settings)
        remedy = deploy if name == settings.bucket else replace
        message = f"bucket {name} has versioning ({status}), so x-oss-forbid-overwrite is ignored there"
        if name == settings.state_bucket_name:
            yield bad("versioning", f"{message}: no function can use it", remedy)
        else:
            yield warning("versioning", f"{message}: an output may replace another", remedy)
    if known and not versioned:
        yield ok("versioning", f"{', '.join(known)} never had versioning")


def _replace_bucket(other: str, name: str, settings: Settings) -> str:
    """Return the commands that replace a bucket which the stack does not create."""
    variable = "CLIPSTITCH_STATE_BUCKET" if name == settings.state_bucket else "CLIPSTITCH_OUTPUT_BUCKETS"
    return f"{_make_bucket(other, settings)}; then name it in {variable}"


def _make_bucket(name: str, settings: Settings) -> str:
    return f"ossutil mb oss://{name} --region {settings.oss_region}"


def endpoint(result: ClipstitchError | None, settings: Settings) -> Finding:
    """Check by one listing whether OSS accepts data calls of this account at this endpoint."""
    if isinstance(result, PublicEndpointForbidden):
        region = settings.oss_region
        message = f"{settings.oss_endpoint} refuses data calls of this account (PublicEndpointForbidden)"
        domain = f"export OSS_ENDPOINT=https://DOMAIN, a domain of yours that is bound to bucket {settings.bucket}"
        internal = f"on a machine in {region}: export OSS_ENDPOINT=https://oss-{region}-internal.aliyuncs.com"
        return bad("endpoint", message, f"{domain}; or {internal}; or OSS_REGION=ap-southeast-1 s deploy")
    if result:
        return no_answer("endpoint", result)
    return ok("endpoint", f"{settings.oss_endpoint} accepts data calls")


def binding(project: str | None, settings: Settings) -> list[Finding]:
    """Check that OSS can process audio in the bucket, and that the sweep uses the right IMM project."""
    wanted, name = settings.imm_project, settings.bucket
    target = f"--region {settings.oss_region} --OSSBucket {name}"
    attach = f"aliyun imm AttachOSSBucket {target} --ProjectName {wanted or 'PROJECT'}"
    if project is None:
        return [bad("binding", f"bucket {name} is bound to no IMM project, so OSS cannot process audio in it", attach)]
    if wanted and project != wanted:
        message = f"bucket {name} is bound to IMM project {project}, but the settings say {wanted}"
        return [bad("binding", message, f"aliyun imm DetachOSSBucket {target} && {attach}")]
    return [ok("binding", f"bucket {name} is bound to IMM project {project}")]
