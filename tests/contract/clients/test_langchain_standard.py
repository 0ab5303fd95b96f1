"""LangChain's own standard test suite against the engine through the gateway.

The model is a toy that leans to what ends its texts. What fails is listed with what the model said amiss: the list is
exact, and an error of the API is on none."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
import pytest_asyncio

from tests.support.client_env import PINS, client_python, run_command
from tests.support.engine_mill import open_engine_mill
from tests.support.gateway import Mill
from tests.support.gateway_fixtures import Stores
from tests.support.tiny_model import build_tiny_model

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.client_env, pytest.mark.slow]

MODEL = "tiny"
CHARACTERS = 4096
"""Each is a token of the tiny model, which is told its functions in words."""
LEANINGS = {'"': 60, "}": 50, "3": 40, "<eos>": 30}
"""Strings, objects and numbers end soon, the one number that tests ask for is said, and one call is enough."""

DOORS = ("TestChats", "TestResponses")
FAULTS_OF_THE_MODEL = {
    "test_bind_runnables_as_tools": "has a text for an argument, but an empty one",
    "test_tool_calling_with_no_arguments": "adds an argument of its own, which the function's schema does not forbid",
    "test_json_mode": "writes an object that it was not asked for: the mode knows no schema",
    "test_agent_loop[model0]": "calls no function unless it must",
    "test_agent_loop[model1]": "calls no function unless it must",
    "test_unicode_tool_call_integration": "does not repeat the name that it was told",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mill(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mill]:
    """A mill over the tiny model."""
    folder = tmp_path_factory.mktemp("engine")
    model = await asyncio.to_thread(build_tiny_model, folder / MODEL, context_length=CHARACTERS, leanings=LEANINGS)
    room = {"STORYMILL_ENGINE_CONTEXT_LENGTH": str(CHARACTERS)}
    async with open_engine_mill(folder, stores, model, **room) as opened:
        yield opened


def read_failures(report: Path) -> dict[str, str]:
    """Return the first line of what each failed test of a report says."""
    cases = [(case, case.find("failure"), case.find("error")) for case in ElementTree.parse(report).iter("testcase")]
    return {
        f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}": (one.get("message") or "").splitlines()[
            0
        ]
        for case, failure, error in cases
        if (one := failure if failure is not None else error) is not None
    }


async def test_only_what_the_model_cannot_do_fails(mill: Mill, tmp_path: Path) -> None:
    env = {
        "OPENAI_API_KEY": await mill.key(),
        "OPENAI_BASE_URL": f"{mill.base_url}/v1",
        "MODEL": MODEL,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    report = tmp_path / "report.xml"
    suite = PINS / "scripts" / "langchain_standard.py"
    python = str(await asyncio.to_thread(client_python, "langchain-tests"))
    alone = ["--rootdir", str(tmp_path), "-c", "/dev/null", "--noconftest", "-p", "no:cacheprovider"]
    command = [python, "-m", "pytest", str(suite), *alone, "--asyncio-mode", "auto", f"--junitxml={report}"]
    told = await run_command("langchain-tests", command, tmp_path, env, expect_success=False)
    failed = read_failures(report)
    assert not [said for said in failed.values() if said.startswith("openai.")], told
    assert set(failed) == {f"{door}::{name}" for door in DOORS for name in FAULTS_OF_THE_MODEL}, told
