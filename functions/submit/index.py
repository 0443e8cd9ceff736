"""Function Compute entry point for the OSS trigger: uploaded manifests in, job ids out."""

import gc
import json
import os

from clipstitch.bootstrap import build_context
from clipstitch.inbound.oss_trigger import parse_oss_trigger
from clipstitch.usecases.submit import submit_all

gc.freeze()  # the imported modules stay, so garbage collections need not scan them


def handler(event: bytes, context: object) -> str:
    """Start a job for every uploaded manifest; raise an error, so that Function Compute retries, if one failed."""
    jobs = submit_all(parse_oss_trigger(event), build_context(os.environ, context))
    return json.dumps({job.id: job.state for job in jobs})
