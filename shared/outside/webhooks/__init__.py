"""Webhooks in the Standard Webhooks form: how they are signed, where they may go, how one is sent."""
