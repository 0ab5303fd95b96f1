"""Who votes reads both texts whole, at any width."""

import io
from typing import Any

import httpx2
from rich.console import Console

from storymill.cli.model_comparison import vote_on_all
from storymill.client.rest import Api

STORY = "从前有一位英雄，" * 40 + "他的故事到此为止。"


def answer(request: httpx2.Request) -> httpx2.Response:
    pair: dict[str, Any] = {"position": 0, "prompt": "唐,隐形", "a": STORY, "b": "A short one.", "is_voted": False}
    body = {"data": [pair]} if request.url.path.endswith("/pairs") else {"status": "voting"}
    return httpx2.Response(200, json=body)


def test_a_long_text_is_shown_to_its_end() -> None:
    output = io.StringIO()
    api = Api("http://mill/v1", "sm_1", transport=httpx2.MockTransport(answer))
    vote_on_all(api, "cmp_1", to=Console(file=output, width=60), ask=lambda _question: "a")
    shown = "".join(line.strip("│ ") for line in output.getvalue().splitlines())
    assert STORY in shown
