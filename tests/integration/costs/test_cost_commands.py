"""`storymill usage`, `prices` and `roi` as a person types them."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import httpx2
import pytest

from tests.integration.costs.conftest import Tune
from tests.support.gateway import Mill
from tests.support.stack import PROJECT_ROOT

pytestmark = pytest.mark.asyncio(loop_scope="module")

BookCalls = Callable[..., Awaitable[None]]
PNG_SIGNATURE = b"\x89PNG"


async def run_storymill(
    gateway: Mill, client: httpx2.AsyncClient, folder: Path, *arguments: object
) -> subprocess.CompletedProcess[str]:
    """Run a command with the client's key, while the gateway in this process goes on."""
    where = {
        "STORYMILL_BASE_URL": f"{gateway.base_url}/v1",
        "STORYMILL_API_KEY": client.headers["authorization"].removeprefix("Bearer "),
        "STORYMILL_STATE_DIR": str(folder),
    }
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "storymill", *map(str, arguments)],
        env={**os.environ, "COLUMNS": "160", **where},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("tuned", "base", "times"),
    [("davinci-ft", "text-davinci-003", 6), ("davinci-ft", "gpt-3.5-turbo", 60), ("curie-ft", "gpt-3.5-turbo", 6)],
)
async def test_the_command_says_the_articles_ratios(
    gateway: Mill, client: httpx2.AsyncClient, tmp_path: Path, tuned: str, base: str, times: int
) -> None:
    arguments = ("prices", "compare", tuned, base, "--provider", "openai", "--on", "2023-04-04")
    said = await run_storymill(gateway, client, tmp_path, *arguments)
    assert said.returncode == 0, said.stderr
    lines = [line for line in said.stdout.splitlines() if "per million tokens" in line]
    assert len(lines) == 2
    assert all(line.endswith(f" {times} ×") for line in lines), said.stdout


async def test_prices_are_shown_and_listed(gateway: Mill, client: httpx2.AsyncClient, tmp_path: Path) -> None:
    shown = await run_storymill(gateway, client, tmp_path, "prices", "show", "priced-base")
    assert "training, per million tokens: $25.00" in shown.stdout, shown.stderr
    listed = await run_storymill(gateway, client, tmp_path, "prices", "list", "gpt-4.1-mini")
    assert "training $5.00" in listed.stdout
    unknown = await run_storymill(gateway, client, tmp_path, "prices", "show", "nothing-at-all")
    assert unknown.returncode == 1
    assert "Traceback" not in unknown.stderr


async def test_usage_and_break_even_are_drawn_from_the_books(
    gateway: Mill, client: httpx2.AsyncClient, tmp_path: Path, tune: Tune, book_calls: BookCalls
) -> None:
    nothing = await run_storymill(gateway, client, tmp_path, "usage")
    assert "Nothing was used" in nothing.stdout, nothing.stderr
    model = await tune(data_usd=Decimal("1.25"), cost_usd=Decimal(10))
    await book_calls("priced-base", (3000, 400))
    used = await run_storymill(gateway, client, tmp_path, "usage", "--by", "kind,job")
    assert model.job_id in used.stdout, used.stdout + used.stderr
    assert "$10.00" in used.stdout
    *_, total, next_command = used.stdout.splitlines()
    assert total.startswith("total")
    assert next_command == "When does a tuned model pay: storymill roi MODEL --against BASE"

    sizes = ("--tuned-prompt", 20, "--base-prompt", 3000, "--completion", 400)
    picture = tmp_path / "roi.png"
    arguments = ("roi", model.name, "--against", "priced-base", *sizes, "--calls-per-day", 500, "--png", picture)
    found = await run_storymill(gateway, client, tmp_path, *arguments)
    assert found.returncode == 0, found.stdout + found.stderr
    saving = (3000 * 2 + 400 * 8 - 20 * 3 - 400 * 12) / 1e6
    assert f"After {int(11.25 / saving) + 1:,} calls" in found.stdout
    assert "base model" in found.stdout
    assert picture.read_bytes().startswith(PNG_SIGNATURE)
    missing = await run_storymill(gateway, client, tmp_path, "roi", model.name, "--against", "priced-base")
    assert missing.returncode == 1
    assert "Give --tuned-prompt and --completion." in missing.stderr
    provider = await run_storymill(gateway, client, tmp_path, "roi", model.name, *sizes, "--against", "gpt-4.1-mini")
    assert "Give --against-provider" in provider.stderr
