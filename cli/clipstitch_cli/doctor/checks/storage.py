"""Judges the access key, the clock, buckets and their binding. Facts in, findings out; asks nobody."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from clipstitch.common.errors import AccessDenied, ClipstitchError
from clipstitch.usecases.settings import Settings
from clipstitch_cli.doctor.deployment_facts import Bucket, KeyRefused, OtherRegion
from clipstitch_cli.doctor.findings import Finding, bad, ok, skipped, unanswered, warning

# OSS, "RequestTimeTooSkewed", 2026, and SMQ, "Request protocol", 2026: more than 15 minutes are refused.
MOST_SKEW = timedelta(minutes=15)
MUCH_SKEW = timedelta(seconds=30)  # ours: job ids and deadlines count in seconds
Looked = Bucket | ClipstitchError | None


def access_key(home: Looked, key_id: str) -> Finding:
    """Judge by the first signed request whether the cloud takes our access key."""
    if isinstance(home, KeyRefused):
        return bad("access key", f"{key_id} is refused: {home}", home.remedy)
    if isinstance(home, ClipstitchError) and not isinstance(home, AccessDenied):
        return skipped("access key", "OSS gave no answer to a signed request")
    return ok("access key", f"{key_id} is taken")


def clock(skew: timedelta | ClipstitchError) -> Finding:
    """Judge how far our clock is ahead of the cloud's."""
    if isinstance(skew, ClipstitchError):
        return unanswered("clock", skew)
    off = f"{abs(skew).total_seconds():.0f} s {'ahead of' if skew > timedelta() else 'behind'} the cloud's"
    if abs(skew) > MOST_SKEW:
        return bad("clock", f"this machine's clock is {off}; OSS and SMQ refuse more than 15 minutes", _SET_CLOCK)
    if abs(skew) > MUCH_SKEW:
        return warning("clock", f"this machine's clock is {off}", _SET_CLOCK)
    return ok("clock", f"this machine's clock agrees with the cloud's to {MUCH_SKEW.seconds} s")


_SET_CLOCK = "sudo timedatectl set-ntp true"


def bucket(name: str, looked: Looked, settings: Settings) -> Finding:
    """Judge whether a bucket is there; the stack makes the one for manifests, and no other."""
    if looked is None:
        stack = f"OSS_REGION={settings.oss_region} CLIPSTITCH_BUCKET={name} s deploy"
        repair = stack if name == settings.bucket else _make(name, settings)
        return bad("bucket", f"there is no bucket {name}", repair)
    if isinstance(looked, OtherRegion):
        return skipped("bucket", "the region is wrong")
    if isinstance(looked, ClipstitchError):
        return unanswered("bucket", looked)
    return ok("bucket", f"{name} is there")


def region(name: str, looked: Looked, settings: Settings) -> Finding | None:
    """Judge whether a bucket lies where everything else is; None when it was not seen."""
    if isinstance(looked, OtherRegion):
        return bad("region", f"{looked}", f"export OSS_REGION={looked.region}")
    if not isinstance(looked, Bucket):
        return None
    if looked.region != settings.oss_region:
        line = f"bucket {name} lies in {looked.region}, everything else in {settings.oss_region}"
        move = f"OSS_REGION={looked.region} CLIPSTITCH_BUCKET={name} s deploy"
        repair = move if name == settings.bucket else _instead(f"{name}-{settings.oss_region}", name, settings)
        return bad("region", line, repair)
    return ok("region", f"bucket {name} lies in {looked.region}")


def versioning(buckets: Mapping[str, Looked], settings: Settings) -> Iterator[Finding]:
    """Judge whether create-once holds: it must where facts are, and should where outputs go."""
    state = settings.state_bucket or settings.bucket
    seen = {name: looked for name, looked in buckets.items() if isinstance(looked, Bucket)}
    for name, looked in seen.items():
        if not looked.versioning:
            continue
        line = f"bucket {name} has versioning ({looked.versioning}), so x-oss-forbid-overwrite is ignored there"
        if name == state:
            yield bad("versioning", f"{line}: no function works on it", _unversioned(name, settings))
        else:
            yield warning("versioning", f"{line}: an output may replace another", _unversioned(name, settings))
    if seen and not any(looked.versioning for looked in seen.values()):
        yield ok("versioning", f"{', '.join(seen)} never had versioning")


def _unversioned(name: str, settings: Settings) -> str:
    """Spell the repair: versioning can be suspended, but never taken back, so another bucket must do."""
    other = f"{name}-unversioned"
    return f"CLIPSTITCH_BUCKET={other} s deploy" if name == settings.bucket else _instead(other, name, settings)


def _instead(other: str, name: str, settings: Settings) -> str:
    """Spell how a bucket that the stack does not make is replaced."""
    variable = "CLIPSTITCH_STATE_BUCKET" if name == settings.state_bucket else "CLIPSTITCH_OUTPUT_BUCKETS"
    return f"{_make(other, settings)}; then name it in {variable}"


def _make(name: str, settings: Settings) -> str:
    return f"ossutil mb oss://{name} --region {settings.oss_region}"


def binding(project: str | ClipstitchError | None, settings: Settings) -> Finding:
    """Judge whether OSS can process audio in the bucket, and whether the sweep asks the right project."""
    wanted, name = settings.imm_project, settings.bucket
    at = f"--region {settings.oss_region} --OSSBucket {name}"
    repair = f"aliyun imm AttachOSSBucket {at} --ProjectName {wanted or 'PROJECT'}"
    if isinstance(project, ClipstitchError):
        return unanswered("binding", project)
    if project is None:
        return bad("binding", f"bucket {name} is bound to no IMM project, so OSS cannot process audio in it", repair)
    if wanted and project != wanted:
        line = f"bucket {name} is bound to IMM project {project}, but the settings say {wanted}"
        return bad("binding", line, f"aliyun imm DetachOSSBucket {at} && {repair}")
    return ok("binding", f"bucket {name} is bound to IMM project {project}")
