"""What programs of the user find in a local cloud, beside the resources of a project, whose roles permit nothing else.

The IMM project has the vendor's default role, so it may read and write all buckets and publish to all topics. The
names of bucket and topic are those in the examples of the OSS user guide, "Audio merging" (2026-03-20).
"""

from dataclasses import replace

from localyun.deploy.declared import DeclaredAttachment, DeclaredResource, DeclaredSubscription, Deployment

PROJECT, BUCKET, TOPIC = "default", "examplebucket", "AudioConvert"


def with_own_programs(deployment: Deployment) -> Deployment:
    """Return a deployment that also has an IMM project, an attached bucket, a topic, and a queue subscribed to it."""
    endpoint = f"acs:mns:{deployment.region}:{deployment.account_id}:queues/{TOPIC}"
    subscription = DeclaredSubscription(TOPIC, TOPIC, endpoint, content_format="SIMPLIFIED")
    return replace(
        deployment,
        buckets=(*deployment.buckets, BUCKET),
        topics=(*deployment.topics, DeclaredResource(TOPIC)),
        queues=(*deployment.queues, DeclaredResource(TOPIC)),
        subscriptions=(*deployment.subscriptions, subscription),
        projects=(*deployment.projects, PROJECT),
        attachments=(*deployment.attachments, DeclaredAttachment(BUCKET, PROJECT)),
    )
