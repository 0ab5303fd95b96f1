"""`python -m tests.e2e.attacks.attacker NAME GATEWAY KEY`: one costly thing, done at the lowest priority, so that
what the others feel is the mill's doing and not that of the machine's other processes."""

import os
import socket
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import orjson
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.e2e.attacks.costly_files import ORDERED, TRAINED_ON
from tests.support.upstream import MODEL

HOLD_SECONDS: Final = 15.0
JSON: Final = {"content-type": "application/json"}
NAMED: Final = {408, 413, 429, 431}
"""Refusals of a bound: they name its setting."""
JOB_SECONDS: Final = 120.0
WRONG_KEY: Final = b"POST /v1/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sm_no\r\n"


class Attacker:
    """What one bad client has: an address and a key."""

    def __init__(self, gateway: str, key: str) -> None:
        self._address, self.key = urlsplit(gateway), key
        self._client = httpx2.Client(base_url=gateway, headers={"authorization": f"Bearer {key}"}, timeout=120)

    def connect(self) -> socket.socket:
        """Return a connection that has said nothing."""
        return socket.create_connection((self._address.hostname or "", self._address.port or 0), timeout=30)

    def post(self, path: str, body: bytes) -> httpx2.Response:
        """Return an answer. A refusal has the one shape of errors, and names the setting of its bound."""
        answer = self._client.post(path, content=body, headers=JSON)
        if answer.status_code >= 400:
            error = answer.json()["error"]
            assert set(error) == {"message", "type", "param", "code"}, answer.text
            assert answer.status_code not in NAMED or "STORYMILL_" in error["message"], answer.text
        return answer

    def send(self, path: str, **body: Any) -> httpx2.Response:
        """The same, of an object."""
        return self.post(path, orjson.dumps(body))

    def get(self, path: str) -> dict[str, Any]:
        """Return a resource."""
        found: dict[str, Any] = self._client.get(path).json()
        return found

    def send_many(self, path: str, body: bytes, expected: int, times: int = 20) -> None:
        """Send one body again and again, four at a time."""
        with ThreadPoolExecutor(4) as threads:
            statuses = set(threads.map(lambda _: self.post(path, body).status_code, range(times)))
        assert statuses == {expected}, statuses

    def hold(self, count: int, first: bytes, dripped: bytes = b"") -> None:
        """Hold connections for a while, each with a few bytes and then a byte now and then."""
        held = []
        until = time.monotonic() + HOLD_SECONDS
        while time.monotonic() < until:
            while len(held) < count:
                held.append(self.connect())
                held[-1].sendall(first)
            if dripped:
                held = [one for one in held if drip(one, dripped)]
            time.sleep(0.5)

    def pour(self, first: bytes, piece: bytes) -> None:
        """Send pieces of a head without an end, until the mill has closed the connection."""
        connection = self.connect()
        connection.sendall(first)
        while drip(connection, piece):
            pass
        with suppress(OSError):  # what it said may be lost with the connection
            said = connection.recv(65536)
            assert not said or (b" 431 " in said and b"STORYMILL_" in said), said

    def upload(self, name: str, content: bytes) -> str:
        """Return the id of a file that was kept."""
        answer = self._client.post("/v1/files", files={"file": (name, content)}, data={"purpose": "fine-tune"})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def order(self, kind: str, times: int = 16) -> None:
        """Upload a file and have it prepared, many times over; gone before anything is done."""
        name, make = ORDERED[kind]
        file_id = self.upload(name, make())
        for _ in range(times):
            answer = self.send("/v1/datasets", sources=[{"file": file_id}])
            assert answer.status_code == 202, answer.text

    def ask_about(self, kind: str, times: int = 3) -> None:
        """Have a file of rows looked at by what answers at once: estimates and comparisons."""
        file_id = self.upload("rows.jsonl", TRAINED_ON[kind]())
        expected = {200, 202} if kind == "many_rows" else {400}
        for _ in range(times):
            estimate = self.send("/v1/fine_tuning/estimate", model=MODEL, training_file=file_id)
            comparison = self.send(
                "/v1/model_comparisons", model=MODEL, against=MODEL, file=file_id, judge="human", samples=1
            )
            assert {estimate.status_code, comparison.status_code} <= expected, (estimate.text, comparison.text)

    def train_on(self, kind: str, model: str, times: int = 3) -> None:
        """Have a file of rows trained on, and wait until that is refused, by name where it is a row's fault."""
        file_id = self.upload("rows.jsonl", TRAINED_ON[kind]())
        made = [self.send("/v1/fine_tuning/jobs", model=model, training_file=file_id) for _ in range(times)]
        until = time.monotonic() + JOB_SECONDS
        for answer in made:
            assert answer.status_code == 200, answer.text
            job = answer.json()
            while job["status"] in {"validating_files", "queued", "running"}:
                assert time.monotonic() < until, job
                time.sleep(0.5)
                job = self.get(f"/v1/fine_tuning/jobs/{job['id']}")
            assert job["status"] == "failed", job
            assert kind == "many_rows" or "STORYMILL_" in job["error"]["message"], job


def drip(connection: socket.socket, data: bytes) -> bool:
    """Send a little more; False when the mill has closed the connection."""
    try:
        connection.sendall(data)
    except OSError:
        return False
    return True


def lists(attacker: Attacker) -> None:
    """2.6 million empty lists for messages."""
    attacker.send_many(
        "/v1/chat/completions", b'{"model":"m","messages":[' + b",".join([b"[]"] * 2_600_000) + b"]}", 413
    )


def keys(attacker: Attacker) -> None:
    """700,000 members of the body."""
    members = b",".join(b'"k%d":1' % number for number in range(600_000))
    attacker.send_many("/v1/chat/completions", b'{"model":"m",' + members + b"}", 413)


def objects(attacker: Attacker) -> None:
    """2.6 million empty objects in a field that nobody knows."""
    attacker.send_many("/v1/chat/completions", b'{"model":"m","x":[' + b",".join([b"{}"] * 2_600_000) + b"]}", 413)


def messages(attacker: Attacker) -> None:
    """240,000 messages of a letter."""
    listed = b",".join([b'{"role":"user","content":"x"}'] * 240_000)
    attacker.send_many("/v1/chat/completions", b'{"model":"m","messages":[' + listed + b"]}", 413)


def token_ids(attacker: Attacker) -> None:
    """3.9 million token ids."""
    attacker.send_many("/v1/completions", b'{"model":"m","prompt":[' + b",".join([b"1"] * 3_900_000) + b"]}", 413)


def templates(attacker: Attacker) -> None:
    """The templates that take longest to compile, each another one."""
    for number in range(20):
        for text, expected in (("{{a}}" * 950, 201), ("{{ " + "a<" * 7000 + "a }}", 400)):
            recipe = {"name": f"r{number}", "model": "m", "template": f"{text}{number}", "attributes": {"a": [1]}}
            assert attacker.send("/v1/recipes", **recipe).status_code == expected


def silence(attacker: Attacker) -> None:
    """1,150 connections that say nothing."""
    attacker.hold(1150, b"")


def slow_heads(attacker: Attacker) -> None:
    """500 heads of one byte now and then."""
    attacker.hold(500, b"GET / HTTP/1.1\r\na: ", b"x")


def endless_head(attacker: Attacker) -> None:
    """A header line without an end, on ten connections."""
    for _ in range(10):
        attacker.pour(b"GET / HTTP/1.1\r\na: ", b"x" * 1_000_000)


def header_lines(attacker: Attacker) -> None:
    """Short header lines without an end, on ten connections."""
    for _ in range(10):
        attacker.pour(b"GET / HTTP/1.1\r\n", b"a:b\r\n" * 20_000)


def announced_bodies(attacker: Attacker) -> None:
    """Bodies of 10 GB, and chunked ones, that never come."""
    attacker.hold(200, WRONG_KEY + b"content-length: 10000000000\r\n\r\n")
    attacker.hold(200, WRONG_KEY + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")


def sockets(attacker: Attacker) -> None:
    """Twenty sockets at a time that ask for what is not there as fast as they can, or send what is too large."""
    made = attacker.send("/v1/streams", model=MODEL, prompt="x", max_tokens=1).json()
    headers = {"authorization": f"Bearer {attacker.key}"}
    until = time.monotonic() + HOLD_SECONDS

    def shout(number: int) -> None:
        frame = '{"t":"sub","id":"a","stream":"st_%s"}' if number % 2 else '{"t":"pong","x":"%s"}'
        while time.monotonic() < until:
            with suppress(ConnectionClosed), connect(made["ws_url"], additional_headers=headers, proxy=None) as socket_:
                for count in range(5_000):
                    socket_.send(frame % (count if number % 2 else "y" * 1_000_000))

    with ThreadPoolExecutor(20) as threads:
        list(threads.map(shout, range(20)))


def long_prompts(attacker: Attacker) -> None:
    """Prompts of 7 MB, in one text and in a hundred."""
    attacker.send_many("/v1/completions", b'{"model":"tiny","prompt":"' + b"a tale " * 1_000_000 + b'"}', 400)
    texts = b",".join([b'"' + b"a tale " * 10_000 + b'"'] * 100)
    attacker.send_many("/v1/completions", b'{"model":"tiny","prompt":[' + texts + b"]}", 400)


ATTACKS: Final[dict[str, Callable[[Attacker], None]]] = {
    **{
        attack.__name__: attack
        for attack in (
            *(lists, objects, messages, token_ids, keys, templates, sockets, long_prompts),
            *(silence, slow_heads, endless_head, header_lines, announced_bodies),
        )
    },
    **{kind: partial(Attacker.order, kind=kind) for kind in ORDERED},
    **{f"ask_about_{kind}": partial(Attacker.ask_about, kind=kind) for kind in TRAINED_ON},
    **{f"train_on_{kind}": partial(Attacker.train_on, kind=kind, model=MODEL) for kind in TRAINED_ON},
    **{f"train_tiny_on_{kind}": partial(Attacker.train_on, kind=kind, model="tiny") for kind in TRAINED_ON},
}


def main() -> None:
    """Attack."""
    name, address, key = sys.argv[1:]
    os.nice(19)
    ATTACKS[name](Attacker(address, key))


if __name__ == "__main__":
    main()
