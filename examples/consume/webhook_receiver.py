"""Receive webhooks: verify the signature with the Standard Webhooks library, then act on each event once."""

import logging
from collections.abc import Mapping

from act import act
from environment import Environment
from inbox import Inbox
from serving import RequestRejected, serve
from standardwebhooks import Webhook, WebhookVerificationError


def main() -> None:
    """Serve until a signal stops the program."""
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    env = Environment()
    inbox = Inbox(env.get("CONSUMER_DATABASE", "consumed.sqlite"))
    webhook = create_verifier(env["CONSUMER_WEBHOOK_SECRET"])

    def receive(_path: str, headers: Mapping[str, str], body: bytes) -> None:
        try:
            event = webhook.verify(body, dict(headers))
        except WebhookVerificationError as error:
            raise RequestRejected(f"invalid or old signature: {error}") from error
        inbox.once(event, act)

    serve(receive)


def create_verifier(secret: str) -> Webhook:
    """Return a verifier for a secret. Ends the program if the secret is invalid."""
    try:
        return Webhook(secret)
    except ValueError as error:
        raise SystemExit("CONSUMER_WEBHOOK_SECRET is invalid: it must be whsec_ followed by Base64") from error


if __name__ == "__main__":
    main()
