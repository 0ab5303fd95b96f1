"""The client in docs/stream-protocol.md works as printed."""

import asyncio
import re
from typing import Any

import pytest

from tests.integration.streaming.service import Service
from tests.support.stack import PROJECT_ROOT


async def test_the_documented_client_shows_a_story_to_its_end(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (PROJECT_ROOT / "docs" / "stream-protocol.md").read_text()
    code = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]
    monkeypatch.setenv("STREAMING_URL", service.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", service.account.secret)
    client: dict[str, Any] = {}
    exec(code, client)

    first = await service.worker.open_stream(service.account)
    first.write("a false start")
    await first.flush()
    watching = asyncio.create_task(client["watch"](first.stream_id))
    second = await service.worker.claim(first.stream_id, 2)
    second.write("从前")
    second.write("有座山")
    await service.worker.finish(second)
    fold = await asyncio.wait_for(watching, 20)
    assert fold.text == "从前有座山"
    assert not fold.needs_row
    assert "从前有座山" in capsys.readouterr().out
