"""Function Compute entry point for the OSS trigger: uploaded manifests in, job ids out."""

import json
import os

from clipstitch.submit import submit
from clipstitch.trigger import uploads
from clipstitch.wiring import wire


def handler(event: bytes, context: object) -> str:
    """Start a job for every uploaded manifest; raise, so that Function Compute tries again, when one could not be."""
    cloud = wire(os.environ, context)
    jobs = [submit(upload, cloud) for upload in uploads(event)]
    return json.dumps({job.id: job.state for job in jobs if job})
