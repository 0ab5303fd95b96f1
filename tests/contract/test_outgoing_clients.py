"""Clients that leave the installation are made in one place: elsewhere proxies and certificates would be forgotten."""

import ast
from pathlib import Path

from tests.support.source_files import PRODUCT, parse_folders

CLIENT_MAKERS = frozenset(
    {"ClientSession", "AsyncOpenAI", "OpenAI", "AsyncClient", "Client", "AsyncHTTPTransport", "urlopen"}
)
MADE_IN = {
    Path("shared/outside/network/clients.py"): "the one way out",
    Path("services/workers/fine_tuning/upstream/openai_protocol.py"): "OpenAI's library, over a client from there",
    Path("services/streaming/sockets/starting.py"): "a neighbour: the gateway",
    Path("storymill/client/rest.py"): "a neighbour: the command line's gateway",
    Path("storymill/launcher/probes.py"): "a neighbour: the launcher's own children",
}


def makes_http_client(tree: ast.Module) -> bool:
    """Say whether a module makes an HTTP client of some library."""
    return any(
        isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in CLIENT_MAKERS
        for node in ast.walk(tree)
    )


def test_clients_that_leave_the_installation_are_made_in_one_place() -> None:
    product = parse_folders(PRODUCT)
    assert {path for path, tree in product.items() if makes_http_client(tree)} == set(MADE_IN)
