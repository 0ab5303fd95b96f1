"""`storymill stories review` without a story: its screen, driven by keys, against a live gateway."""

from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest
from rich.cells import cell_len
from textual.widgets import TextArea

from services.gateway.settings import GatewaySettings
from storymill.cli.story_review.decision_sender import DecisionSender
from storymill.cli.story_review.sitting import end_sitting, report
from storymill.cli.story_review.unsent_file import UnsentFile
from storymill.cli.story_review.window import MOST_HELD, PAGE
from storymill.launcher.ports import find_free_port
from tests.support.gateway import Mill, serve_gateway
from tests.support.review_screen import NARROW, WIDE, first_of, open_api, place_of, review, sent, shown, text_of
from tests.support.stack import eventually
from tests.support.written_run import read_reviews, write_run

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_keys_judge_move_and_undo(gateway: Mill, client: httpx2.AsyncClient, tmp_path: Path) -> None:
    run = await write_run(gateway, client)
    with open_api(gateway, client) as api:
        async with review(api, tmp_path, client, run) as (app, pilot):
            assert "0 reviewed, 20 left" in text_of(app, "head")
            await pilot.press("a", "j", "R", "k", "k", "r", "u")
            assert place_of(app) == 1
            assert "2 reviewed, 18 left" in text_of(app, "head")
            await sent(pilot, app.sender)
            assert (await read_reviews(client, run))[:4] == ["accepted", None, "rejected", None]
            await pilot.press("u")
            assert place_of(app) == 2
            await sent(pilot, app.sender)
            assert dict(app.sender.sent) == {"accepted": 1, "rejected": 2, "taken back": 2}
        assert (await read_reviews(client, run))[:4] == ["accepted", None, None, None]
        assert not any(tmp_path.iterdir())  # noqa: ASYNC240


async def test_a_text_is_mended_and_its_first_form_stays(
    gateway: Mill, client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    run = await write_run(gateway, client)
    with open_api(gateway, client) as api:
        async with review(api, tmp_path, client, run) as (app, pilot):
            await pilot.press("e")
            app.screen.query_one(TextArea).text = "改好的故事。"
            await pilot.press("ctrl+s", "a", "k", "p")
            await sent(pilot, app.sender)
            await shown(pilot, lambda: "What the model wrote" in text_of(app, "text"))
            assert "text mended" in text_of(app, "facts")
    story = (await client.get("/v1/stories", params={"generation_id": run, "limit": 1})).json()["data"][0]
    assert (story["text"], story["review"]) == ("改好的故事。", "accepted")
    assert story["original_text"].startswith("边城")


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_what_stands_beside_the_text(
    gateway: Mill, client: httpx2.AsyncClient, tmp_path: Path, size: tuple[int, int]
) -> None:
    run = await write_run(gateway, client, refused_because="min_characters: 1 of at least 50")
    with open_api(gateway, client) as api:
        async with review(api, tmp_path, client, run, size) as (app, pilot):
            await shown(pilot, lambda: "min_characters" in text_of(app, "facts"))
            facts = text_of(app, "facts")
            assert all(word in facts for word in ("dynasty 唐", "power 隐形", "ended by stop", "tokens 80"))
            lines = [cell_len(strip.text) for strip in app.screen._compositor.render_strips()]
            assert set(lines) == {size[0]}
            keys = text_of(app, "keys")
            assert cell_len(keys) <= size[0]
            assert keys.endswith("quit")


async def test_what_a_terminal_would_obey_is_shown(gateway: Mill, client: httpx2.AsyncClient, tmp_path: Path) -> None:
    run = await write_run(gateway, client)
    first = (await client.get("/v1/stories", params={"generation_id": run, "limit": 1})).json()["data"][0]
    await client.patch(f"/v1/stories/{first['id']}", json={"text": "[red]红\x1b]0;title\x07[/red]"})
    with open_api(gateway, client) as api:
        async with review(api, tmp_path, client, run) as (app, pilot):
            assert text_of(app, "text") == "[red]红\N{REPLACEMENT CHARACTER}]0;title\N{REPLACEMENT CHARACTER}[/red]"
            await pilot.press("e")
            assert "\x1b" not in app.screen.query_one(TextArea).text


async def test_a_long_run_is_read_in_pages_and_few_are_held(
    gateway: Mill, client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    run = await write_run(gateway, client, repeats=125)
    with open_api(gateway, client) as api:
        async with review(api, tmp_path, client, run) as (app, pilot):
            await pilot.press("a")
            for place in range(1, 499):
                if len(app.window.stories) <= app.window.place + 1:
                    await shown(pilot, lambda: len(app.window.stories) > app.window.place + 1, f"story {place}")
                app.action_move(1)
                assert len(app.window.stories) <= MOST_HELD + PAGE
            assert place_of(app) == 499
            assert app.window.find((await first_of(client, run))["id"]) is None
            await pilot.press("u")
            await shown(pilot, lambda: place_of(app) == 0)
            await sent(pilot, app.sender)
            assert (await read_reviews(client, run))[0] is None
            await pilot.press("j")
            await shown(pilot, lambda: len(app.window.stories) > 1)
            await pilot.press("j")
            assert place_of(app) in {1, 2}


@pytest.mark.slow
async def test_pages_are_read_back_too(gateway: Mill, client: httpx2.AsyncClient, tmp_path: Path) -> None:
    run = await write_run(gateway, client, repeats=125)
    with open_api(gateway, client) as api:
        async with review(api, tmp_path, client, run) as (app, pilot):
            for step in (*[1] * 499, *[-1] * 499):
                before = place_of(app)
                while not 0 <= app.window.place + step < len(app.window.stories):
                    await pilot.pause(0.02)
                app.action_move(step)
                assert place_of(app) == before + step


async def test_filters_go_round(gateway: Mill, client: httpx2.AsyncClient, tmp_path: Path) -> None:
    run = await write_run(gateway, client)
    with open_api(gateway, client) as api:
        async with review(api, tmp_path, client, run) as (app, pilot):
            await pilot.press("a")
            await sent(pilot, app.sender)
            await pilot.press("f", "f")
            await shown(pilot, lambda: not app.window.has_after)
            assert "accepted" in text_of(app, "head")
            assert [story["position"] for story in app.window.stories] == [0]
            await pilot.press("s", "s")
            await shown(pilot, lambda: not app.window.has_after and "No story matches" in text_of(app, "text"))
            other = await write_run(gateway, client, repeats=1)
            await pilot.press("g")
            await shown(pilot, lambda: len(app.screen_stack) > 1)
            await pilot.press("j", "enter")
            assert app.run_shown is not None
            assert app.run_shown["id"] == other


async def test_two_reviewers_do_not_overwrite_each_other(
    gateway: Mill, client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    run = await write_run(gateway, client)
    with open_api(gateway, client) as api:
        async with review(api, tmp_path, client, run) as (app, pilot):
            first = await first_of(client, run)
            await client.patch(f"/v1/stories/{first['id']}", json={"review": "rejected"})
            await pilot.press("a", "r")
            await shown(pilot, lambda: not app.sender.count_waiting() and "not sent" in text_of(app, "notice"))
            assert "somebody has rejected it since" in text_of(app, "notice")
            assert (await read_reviews(client, run))[:2] == ["rejected", "rejected"]
            await pilot.press("k", "k")
            assert "rejected" in text_of(app, "facts")
            await pilot.press("a")
            await sent(pilot, app.sender)
            assert app.sender.list_refused() == []
    assert (await read_reviews(client, run))[0] == "accepted"


async def test_what_others_overtook_is_told_and_not_sent_by_the_next_sitting(
    gateway: Mill, client: httpx2.AsyncClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = await write_run(gateway, client)
    with open_api(gateway, client) as api:
        async with review(api, tmp_path, client, run) as (app, pilot):
            first = await first_of(client, run)
            await client.patch(f"/v1/stories/{first['id']}", json={"review": "rejected"})
            await pilot.press("a")
            await shown(pilot, lambda: bool(app.sender.list_refused()))
    report(app.sender, app.sender.leave(), None)
    told = capsys.readouterr().out
    assert "others were faster: 1 decision" in told
    assert f"storymill stories review {first['id']} accepted|rejected" in told
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240
    assert (await read_reviews(client, run))[0] == "rejected"


async def test_decisions_outlast_a_gateway_that_is_away(
    gateway: Mill, client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    run = await write_run(gateway, client)
    stores = {"database_url": gateway.database_url, "redis_url": gateway.redis_url}
    settings = GatewaySettings.model_validate({**stores, "upstream_url": gateway.upstream.url})
    port = find_free_port()
    with open_api(gateway, client, f"http://127.0.0.1:{port}") as api:
        first_life = AsyncExitStack()
        await first_life.enter_async_context(serve_gateway(settings, port))
        async with review(api, tmp_path, client, run) as (app, pilot):
            await first_life.aclose()
            await pilot.press("a", "r", "u", "a")
            await shown(pilot, lambda: "kept until the gateway answers" in text_of(app, "notice"))
            assert app.sender.count_waiting() == 4
            assert (await read_reviews(client, run))[:2] == [None, None]
            async with serve_gateway(settings, port):
                await sent(pilot, app.sender)
                await shown(pilot, lambda: not text_of(app, "notice").strip())
    assert (await read_reviews(client, run))[:2] == ["accepted", "accepted"]


async def test_what_one_sitting_could_not_send_the_next_one_does(
    gateway: Mill, client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    run = await write_run(gateway, client)
    story = await first_of(client, run)
    with open_api(gateway, client, f"http://127.0.0.1:{find_free_port()}") as nobody:
        lost = DecisionSender(nobody, UnsentFile(tmp_path, "mill"), lambda _: None)
        lost.start()
        lost.decide(story, {"review": "accepted"})
        lost.decide({**story, "review": "accepted"}, {"text": "改好的故事。"})
        await eventually(lambda: lost.trouble is not None, what="the outage to be seen")
        unsent = lost.leave()
    assert [one.decision.word for one in unsent] == ["accepted", "mended"]
    assert "Nobody answers" in unsent[0].because
    with open_api(gateway, client) as api:
        async with review(api, tmp_path, client, run) as (app, pilot):
            assert "2 decisions of an earlier review" in text_of(app, "notice")
            await sent(pilot, app.sender)
        assert end_sitting(app.sender) == []
    story = await first_of(client, run)
    assert (story["review"], story["text"]) == ("accepted", "改好的故事。")


async def test_a_refused_decision_is_kept_and_sent_again(
    gateway: Mill, client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    run = await write_run(gateway, client)
    with open_api(gateway, client) as api:
        async with review(api, tmp_path, client, run) as (app, pilot):
            right = api._http.headers["authorization"]
            api._http.headers["authorization"] = "Bearer sm_wrong"
            await pilot.press("a", "r")
            await shown(pilot, lambda: "2 not sent" in text_of(app, "notice"))
            assert "(401)" in text_of(app, "notice")
            api._http.headers["authorization"] = right
            await pilot.press("t")
            await sent(pilot, app.sender)
            assert app.sender.list_refused() == []
    assert (await read_reviews(client, run))[:2] == ["accepted", "rejected"]
