"""Signatures as OpenAI's own client checks them."""

import time

import pytest
from openai import InvalidWebhookSignatureError, OpenAI

from shared.outside.webhooks.signing import hint_at, new_secret, sign_webhook

BODY = '{"id":"evt_1","type":"fine_tuning.job.succeeded","data":{"id":"ftjob-1"},"name":"唐"}'.encode()


def verify(headers: dict[str, str], secret: str) -> None:
    """Let the client check."""
    OpenAI(api_key="sm_x").webhooks.verify_signature(BODY, headers, secret=secret)


def test_the_client_accepts_each_of_two_secrets_and_no_third() -> None:
    old, new = new_secret(), new_secret()
    headers = sign_webhook("evt_1", int(time.time()), BODY, [new, old])
    verify(headers, new)
    verify(headers, old)
    with pytest.raises(InvalidWebhookSignatureError):
        verify(headers, new_secret())


def test_an_old_signature_is_refused() -> None:
    secret = new_secret()
    with pytest.raises(InvalidWebhookSignatureError):
        verify(sign_webhook("evt_1", int(time.time()) - 600, BODY, [secret]), secret)


def test_a_hint_shows_four_characters_of_a_secret() -> None:
    secret = new_secret()
    assert len(hint_at(secret)) == len("whsec_...") + 4
    assert hint_at(secret)[-4:] in secret
