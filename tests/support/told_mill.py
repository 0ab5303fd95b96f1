"""A mill that answers from a file: for tests of what commands print, which need fixed data and no mill.

The file maps `GET /path` to the answers of that request in their order, for who watches; the last one stays. Lists obey
`after`, `after_step` and `limit`. `@status` in an answer is its status, `@text` its body as it stands."""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.sync.server import ServerConnection, serve

Json = dict[str, Any]

API_PATH = "/v1"
STREAMS = "POST /streams"
PIECE = 12
"""Characters of a stream's text in one frame."""


class Answers:
    """What the mill says, and how often each was asked."""

    def __init__(self, file: Path) -> None:
        self._told: dict[str, list[Json]] = json.loads(file.read_text(encoding="utf-8"))
        self._asked = Counter[str]()
        self._is_watched = False

    def begin(self, *, is_watched: bool) -> None:
        """Give each request's answers from the first on, to who watches; else the last alone."""
        self._asked.clear()
        self._is_watched = is_watched

    def find(self, method: str, address: str) -> Json:
        """Return the next answer to a request; a path that the file does not know answers 404."""
        parts = urlsplit(address)
        request = f"{method} {parts.path.removeprefix(API_PATH)}"
        answers = self._told.get(request)
        if answers is None:
            return {"@status": 404, "error": {"message": f"the file of answers has no {request}", "code": None}}
        answer = answers[min(self._asked[request], len(answers) - 1)] if self._is_watched else answers[-1]
        self._asked[request] += 1
        return narrow(answer, {name: texts[0] for name, texts in parse_qs(parts.query).items()})

    def find_text(self) -> str:
        """Return the text that every stream gets."""
        text: str = self._told[STREAMS][0]["@streamed"]
        return text


def narrow(answer: Json, query: dict[str, str]) -> Json:
    """Return the part of a list that a query asks for."""
    rows = answer.get("data")
    if not isinstance(rows, list):
        return answer
    if after := query.get("after"):
        places = [place for place, row in enumerate(rows) if row.get("id") == after]
        rows = rows[places[0] + 1 :] if places else rows
    if "after_step" in query:
        rows = [row for row in rows if row["step"] > int(query["after_step"])]
    limit = int(query.get("limit", len(rows)))
    return {**answer, "data": rows[:limit], "has_more": bool(answer.get("has_more")) and len(rows) > limit}


def frames_of(stream: str, text: str) -> Iterator[Json]:
    """Yield the frames of a stream that goes well."""
    pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
    for number, piece in enumerate(pieces):
        cursor = f"1-{number + 1}"
        yield {"t": "d", "stream": stream, "c0": cursor, "c": cursor, "o": number * PIECE, "x": piece}
    yield {
        "t": "end",
        "stream": stream,
        "c": f"1-{len(pieces) + 1}",
        "state": "succeeded",
        "chars": len(text),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "usage": {"prompt_tokens": 9, "completion_tokens": 187},
        "finish_reason": "stop",
        "error": None,
    }


@contextmanager
def told_mill(file: Path) -> Iterator[tuple[str, Answers]]:
    """Yield the address of a mill that answers from a file, and its answers."""
    answers = Answers(file)

    def stream(socket: ServerConnection) -> None:
        wanted = json.loads(socket.recv())["stream"]
        socket.send(json.dumps(list(frames_of(wanted, answers.find_text()))))

    with (
        serve(stream, "127.0.0.1", 0) as streaming,
        ThreadingHTTPServer(("127.0.0.1", 0), build_handler(answers, streaming.socket.getsockname()[1])) as server,
    ):
        for running in (streaming, server):
            threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}{API_PATH}", answers
        streaming.shutdown()
        server.shutdown()


def build_handler(answers: Answers, streaming_port: int) -> type[BaseHTTPRequestHandler]:
    """Return what answers requests; a new stream is told where it can be watched."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            told = answers.find(self.command, self.path)
            if "@streamed" in told:
                told = {"id": told["id"], "ws_url": f"ws://127.0.0.1:{streaming_port}/v1/streams"}
            body = told["@text"] if "@text" in told else json.dumps(told)
            self.send_response(told.get("@status", 200))
            self.send_header("content-length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: standard error is looked at."""

    return Handler
