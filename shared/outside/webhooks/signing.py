"""Signatures of Standard Webhooks, which `openai.webhooks.unwrap` verifies. Knows no sending."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Final

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - what every secret starts with
SECRET_BYTES: Final = 32
HINT_CHARS: Final = 4


def new_secret() -> str:
    """Return a fresh signing secret."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def hint_at(secret: str) -> str:
    """Return what may be shown of a secret: enough to tell it from others."""
    return f"{SECRET_PREFIX}...{secret.rstrip('=')[-HINT_CHARS:]}"


def sign_webhook(event_id: str, timestamp: int, body: bytes, signing_secrets: Sequence[str]) -> dict[str, str]:
    """Return the headers of a webhook, signed with each secret: a receiver that knows one of them accepts it.

    `timestamp` is Unix seconds of the sending, not of the event: receivers refuse what is older than five minutes."""
    content = f"{event_id}.{timestamp}.".encode() + body
    signatures = [f"v1,{sign(content, secret)}" for secret in signing_secrets]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def sign(content: bytes, secret: str) -> str:
    """Return the base64 of the HMAC-SHA256."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
