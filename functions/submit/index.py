"""Function Compute entry point for the OSS trigger: uploaded manifests in, job ids out."""

import json
import os

from clipstitch.bootstrap import wire
from clipstitch.inbound.oss_trigger import uploads
from clipstitch.usecases.submit import submit_all


def handler(event: bytes, context: object) -> str:
    """Start a job for every uploaded manifest; raise, so that Function Compute tries again, when one could not be."""
    jobs = submit_all(uploads(event), wire(os.environ, context))
    return json.dumps({job.id: job.state for job in jobs})
