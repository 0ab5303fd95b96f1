"""`python -m tests.e2e.attacks.attacker NAME GATEWAY KEY`: one costly thing, done at the lowest priority, so that
what the others feel is the mill's doing and not that of the machine's other processes."""

import gzip
import io
import os
import socket
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from urllib.parse import urlsplit

import httpx2
import pyarrow as pa
import pyarrow.parquet as pq

HOLD_SECONDS: Final = 15.0
JSON: Final = {"content-type": "application/json"}


class Attacker:
    """What one bad client has: an address and a key."""

    def __init__(self, gateway: str, key: str) -> None:
        self._address = urlsplit(gateway)
        self._client = httpx2.Client(base_url=gateway, headers={"authorization": f"Bearer {key}"}, timeout=120)

    def connect(self) -> socket.socket:
        """Return a connection that has said nothing."""
        return socket.create_connection((self._address.hostname or "", self._address.port or 0), timeout=30)

    def post(self, path: str, body: bytes) -> int:
        """Return the status of an answer."""
        return self._client.post(path, content=body, headers=JSON).status_code

    def send_many(self, path: str, body: bytes, expected: int, times: int = 20) -> None:
        """Send one body again and again, four at a time."""
        with ThreadPoolExecutor(4) as threads:
            statuses = set(threads.map(lambda _: self.post(path, body), range(times)))
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

    def order(self, name: str, content: bytes, times: int = 16) -> None:
        """Upload a file and have it prepared, many times over; gone before anything is done."""
        uploaded = self._client.post("/v1/files", files={"file": (name, content)}, data={"purpose": "fine-tune"})
        body = {"sources": [{"file": uploaded.json()["id"]}]}
        for _ in range(times):
            assert self._client.post("/v1/datasets", json=body).status_code == 202


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


def templates(attacker: Attacker) -> None:
    """The templates that take longest to compile, each another one."""
    for number in range(20):
        template = "{{ " + "a<" * 7000 + str(number) + " }}"
        body = f'{{"name":"r{number}","model":"m","template":"{template}","attributes":{{"a":[1]}}}}'
        assert attacker.post("/v1/recipes", body.encode()) == 201


def silence(attacker: Attacker) -> None:
    """1,150 connections that say nothing."""
    attacker.hold(1150, b"")


def slow_heads(attacker: Attacker) -> None:
    """500 heads of one byte now and then."""
    attacker.hold(500, b"GET / HTTP/1.1\r\na: ", b"x")


def endless_head(attacker: Attacker) -> None:
    """A header line without an end, on ten connections."""
    for _ in range(10):
        connection = attacker.connect()
        connection.sendall(b"GET / HTTP/1.1\r\na: ")
        while drip(connection, b"x" * 1_000_000):
            pass


def announced_bodies(attacker: Attacker) -> None:
    """Bodies of 10 GB, and chunked ones, that never come."""
    attacker.hold(200, b"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 10000000000\r\n\r\n")
    attacker.hold(200, b"POST /v1/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")


def long_prompts(attacker: Attacker) -> None:
    """Prompts of 7 MB, in one text and in a hundred."""
    attacker.send_many("/v1/completions", b'{"model":"tiny","prompt":"' + b"a tale " * 1_000_000 + b'"}', 400)
    texts = b",".join([b'"' + b"a tale " * 10_000 + b'"'] * 100)
    attacker.send_many("/v1/completions", b'{"model":"tiny","prompt":[' + texts + b"]}", 400)


def long_line(attacker: Attacker) -> None:
    """A gzip of 600 KB with one line of 600 MB."""
    out = io.BytesIO()
    with gzip.open(out, "wb", 1) as packed:
        packed.write(b'{"prompt":"')
        for _ in range(600):
            packed.write("故事".encode() * 170_000)
        packed.write(b'","completion":"a"}\n')
    attacker.order("line.jsonl.gz", out.getvalue())


def dictionary(attacker: Attacker) -> None:
    """A parquet of 3,000 rows with one text of 1 MB."""
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 3000, pa.int32()), pa.array(["x" * 1_000_000]))
    out = io.BytesIO()
    pq.write_table(pa.table({"prompt": column, "completion": column}), out, compression="zstd")
    attacker.order("bomb.parquet", out.getvalue())


def square(attacker: Attacker) -> None:
    """Two prompts of 20 MB that differ at their end."""
    rows = [b'{"prompt":"' + b"a" * 20_000_000 + end + b'","completion":"b"}' for end in (b"", b"b")]
    attacker.order("square.jsonl.gz", gzip.compress(b"\n".join(rows)))


ATTACKS: Final[dict[str, Callable[[Attacker], None]]] = {
    attack.__name__: attack
    for attack in (
        *(lists, keys, templates, silence, slow_heads, endless_head, announced_bodies),
        *(long_line, dictionary, square, long_prompts),
    )
}


def main() -> None:
    """Attack."""
    name, gateway, key = sys.argv[1:]
    os.nice(19)
    ATTACKS[name](Attacker(gateway, key))


if __name__ == "__main__":
    main()
