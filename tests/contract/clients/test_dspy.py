"""DSPy's programs at their default, as JSON, through responses and streamed."""

import json
from pathlib import Path

import pytest

from tests.support.client_env import run_client
from tests.support.gateway import Mill, new_name
from tests.support.printed import read_last_object
from tests.support.upstream import MODEL, Call
from tests.support.upstream_script import Script

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.client_env, pytest.mark.slow]

SPEED = 200
"""Tokens a second: DSPy finds no field in a stream that comes in one piece."""
FIELDS = {"reasoning": "唐朝有河。", "answer": "黄河"}


def fill(call: Call) -> Script:
    """Answer as a model does that keeps to the layout that DSPy's prompt asks for."""
    if "JSON object" in str(call.body["messages"]):
        return Script(text=json.dumps(FIELDS, ensure_ascii=False))
    text = "".join(f"[[ ## {name} ## ]]\n{value}\n\n" for name, value in FIELDS.items())
    return Script(text=f"{text}[[ ## completed ## ]]", tokens_per_second=SPEED)


async def test_programs_of_both_adapters(mill: Mill, tmp_path: Path) -> None:
    mill.upstream.choose = fill
    env = {
        "BASE_URL": f"{mill.base_url}/v1",
        "KEY": await mill.key(),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "DSPY_CACHEDIR": str(tmp_path),
        "HOME": str(tmp_path),
    }
    said = read_last_object(await run_client("dspy", "dspy_programs.py", MODEL, new_name("问"), env=env))
    mill.upstream.choose = None
    both = list(FIELDS.values())
    assert said == {"chat": both, "responses": both, "json": both, "streamed": [FIELDS["answer"]] * 2}
