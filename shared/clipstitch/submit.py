"""Start the job that an uploaded manifest asks for, once, however often we are told of the upload."""

from clipstitch.advance import advance
from clipstitch.cloud import Cloud
from clipstitch.documents import MAX_BYTES
from clipstitch.errors import BadManifest, ClipstitchError, Missing
from clipstitch.job import Failure, Job, Verdict
from clipstitch.ledger import Ledger
from clipstitch.log import say
from clipstitch.manifest import parse
from clipstitch.plan import Place, Plan, make_plan
from clipstitch.ports import Content
from clipstitch.refs import ManifestRef, ObjectRef, job_id_of


def submit(upload: ObjectRef, cloud: Cloud) -> Job | None:
    """Plan and start the job of the manifest as it is now; None when it has gone meanwhile.

    The object names the job, not the event: a manifest that was overwritten since is the newer job.
    """
    try:
        content = cloud.objects.read(upload, limit=MAX_BYTES + 1)
    except Missing:
        say("manifest-gone", manifest=upload.uri)
        return None
    manifest = ManifestRef(upload, content.about.etag)
    ledger = cloud.ledger(upload.bucket)
    job = ledger.load(job_id_of(manifest, content.about.last_modified))
    if job.closed:
        ledger.clear(job)
        return job
    ledger.open(job.id, upload)
    if job.plan is None and job.verdict is None:
        job = _plan_or_judge(job, manifest, content, ledger, cloud)
    return advance(job, ledger, cloud)


def _plan_or_judge(job: Job, manifest: ManifestRef, content: Content, ledger: Ledger, cloud: Cloud) -> Job:
    """Freeze a plan, or decide at once that there will be none; whichever is written first counts."""
    try:
        return ledger.plan(job, plan_for(job.id, manifest, content.body, cloud))
    except BadManifest as bad:
        verdict = Verdict(
            "reject", manifest, cloud.timestamp(), cloud.settings.sink_names, issues=bad.issues, planned=False
        )
    except ClipstitchError as error:
        if error.retryable:
            raise
        reason = Failure(error.code, str(error), error.remedy)
        verdict = Verdict("fail", manifest, cloud.timestamp(), cloud.settings.sink_names, error=reason, planned=False)
    return ledger.judge(job, verdict)


def plan_for(job_id: str, manifest: ManifestRef, body: bytes, cloud: Cloud) -> Plan:
    """Read a manifest, look at its clips, and plan; `BadManifest` with every issue. Writes nothing."""
    settings = cloud.settings
    parsed = parse(body, manifest.ref, settings.limits)
    refs = dict.fromkeys(ObjectRef(manifest.ref.bucket, clip.key) for clip in parsed.clips)
    probes = cloud.audio.probe(list(refs))
    place = Place(job_id, manifest, settings.state_prefix, settings.completion_topic, settings.sink_names)
    return make_plan(parsed, probes, place)
