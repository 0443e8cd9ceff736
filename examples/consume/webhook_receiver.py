"""Receives webhooks: verifies who signed, with the Standard Webhooks library, then acts on each event once."""

import logging
from collections.abc import Mapping

from act import act
from environment import Environment
from inbox import Inbox
from serving import Refused, serve
from standardwebhooks import Webhook, WebhookVerificationError


def main() -> None:
    """Answer until the end."""
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    env = Environment()
    inbox = Inbox(env.get("CONSUMER_DATABASE", "consumed.sqlite"))
    webhook = opened(env["CONSUMER_WEBHOOK_SECRET"])

    def receive(_path: str, headers: Mapping[str, str], body: bytes) -> None:
        try:
            event = webhook.verify(body, dict(headers))
        except WebhookVerificationError as error:
            raise Refused(f"not signed with our secret, or long ago: {error}") from error
        inbox.once(event, act)

    serve(receive)


def opened(secret: str) -> Webhook:
    """Return what verifies with a secret."""
    try:
        return Webhook(secret)
    except ValueError as error:
        raise SystemExit("CONSUMER_WEBHOOK_SECRET is none: it is whsec_ and Base64") from error


if __name__ == "__main__":
    main()
