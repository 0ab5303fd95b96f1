"""A page of another origin, in a real browser: refused by both services until its origin is allowed, then it chats,
gets responses and tickets, and watches streams over WebSocket and server-sent events."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser

from storymill.launcher.credentials import read_credentials
from tests.support.console_mill import ConsoleMill
from tests.support.upstream import MODEL
from tests.support.upstream_script import story_for

pytestmark = pytest.mark.slow  # a mill is started twice

PROMPT = "唐,隐形,轻松 ->"
STORY = story_for({"prompt": PROMPT})
DOORS = ("chat", "responses", "ticket", "socket", "events")

SCRIPT = """async ({ mill, key, model, prompt, stream, tickets }) => {
  const told = {};
  const post = async (path, body) => {
    const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
    const answer = await fetch(mill + path, { method: "POST", headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
    if (!answer.headers.get("x-request-id")) throw new Error("the request's id cannot be read");
    return answer.json();
  };
  const watch = () => new Promise((resolve, reject) => {
    const socket = new WebSocket(stream.ws_url, ["storymill.v1", `ticket.${tickets[0]}`]);
    let text = "";
    socket.onopen = () => socket.send(JSON.stringify({ t: "sub", id: 1, stream: stream.id, from: "0-0" }));
    socket.onclose = (event) => reject(new Error(`closed: ${event.code}`));
    socket.onmessage = ({ data }) => {
      for (const frame of [JSON.parse(data)].flat()) {
        if (frame.t === "d" || frame.t === "snap") text += frame.x ?? "";
        if (frame.t === "end") { socket.onclose = null; socket.close(); resolve(text); }
      }
    };
  });
  const listen = () => new Promise((resolve, reject) => {
    const events = new EventSource(`${stream.sse_url}?ticket=${tickets[1]}`);
    events.onerror = () => { events.close(); reject(new Error("no events")); };
    events.addEventListener("end", ({ data }) => { events.close(); resolve(JSON.parse(data).state); });
  });
  const doors = {
    chat: async () => {
      const messages = [{ role: "user", content: prompt }];
      return (await post("/v1/chat/completions", { model, messages })).choices[0].message.content;
    },
    responses: async () => (await post("/v1/responses", { model, input: prompt })).output.at(-1).content[0].text,
    ticket: async () => (await post("/v1/tickets", {})).object,
    socket: watch,
    events: listen,
  };
  for (const [name, ask] of Object.entries(doors)) {
    try { told[name] = await ask(); } catch (error) { told[name] = `refused: ${error.message}`; }
  }
  return told;
}"""


class EmptyPage(BaseHTTPRequestHandler):
    """A site with one page and nothing on it."""

    def do_GET(self) -> None:
        """Answer the page."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>A page elsewhere</title>")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[str]:
    """A page of an origin whose host is not the mill's: `localhost`, where the mill is 127.0.0.1."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), EmptyPage)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


def ask_from(site: str, browser: Browser, mill: ConsoleMill) -> dict[str, str]:
    """Return what a page of the site is told at every door of the mill."""
    with mill.api() as api:
        stream = api.post("/streams", {"model": MODEL, "prompt": PROMPT})
        tickets = [api.post("/tickets")["ticket"] for _ in range(2)]
    given: dict[str, Any] = {"mill": mill.base_url, "key": read_credentials(mill.state_dir).api_key, "model": MODEL}
    page = browser.new_page()
    try:
        page.goto(site)
        told: dict[str, str] = page.evaluate(SCRIPT, {**given, "prompt": PROMPT, "stream": stream, "tickets": tickets})
    finally:
        page.close()
    return told


def test_a_page_is_refused_until_its_origin_is_allowed(mill: ConsoleMill, browser: Browser, site: str) -> None:
    before = ask_from(site, browser, mill)
    assert [before[door].startswith("refused") for door in DOORS] == [True] * len(DOORS), before
    mill.stop()
    mill.set_environment(STORYMILL_ALLOWED_ORIGINS=site)
    mill.start()
    assert ask_from(site, browser, mill) == {
        "chat": STORY,
        "responses": STORY,
        "ticket": "ticket",
        "socket": STORY,
        "events": "succeeded",
    }
    stranger = ask_from(site.replace("localhost", "another.localhost"), browser, mill)
    assert all(stranger[door].startswith("refused") for door in DOORS), stranger
