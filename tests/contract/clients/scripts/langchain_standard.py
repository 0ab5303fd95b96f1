"""LangChain's own standard tests of chat models, with ChatOpenAI at the server that the environment names: chats, and
the same through `/v1/responses`. For pytest."""

import os

import httpx2
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests

LIMITS = {"max_tokens": 300, "stream_usage": True}
"""Tokens of a toy are characters; those of streams are counted for OpenAI itself alone, unless asked."""


class TestChats(ChatModelIntegrationTests):
    """At its default. A test has a loop of its own, so it needs a client of its own."""

    chat_model_class = ChatOpenAI
    supports_json_mode = True
    model_override_value = "curie"
    """Another name of the engine's base."""

    @property
    def chat_model_params(self) -> dict:
        return {"model": os.environ["MODEL"], **LIMITS, "http_async_client": httpx2.AsyncClient()}


class TestResponses(TestChats):
    """Through responses."""

    @property
    def chat_model_params(self) -> dict:
        return {**super().chat_model_params, "use_responses_api": True}
