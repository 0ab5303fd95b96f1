"""Calls are written as the grammar says, and read as they were written, however they come in pieces."""

import json
from collections.abc import AsyncIterator
from typing import Any

import jsonschema
import pytest

from services.engine.tools.call_grammar import demand_calls
from services.engine.tools.call_reader import CallReader, Piece
from services.engine.tools.choice import NO_ARGUMENTS, Tool, ToolChoice
from services.engine.tools.layout import BEGIN, spell_call
from tests.support.grammar_bench import GrammarBench
from tests.support.tiny_models.tokenizers import build_chat_tokenizer, build_plain_tokenizer

PLACE = {
    "type": "object",
    "properties": {"city": {"$ref": "#/$defs/city"}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
    "required": ["city", "days"],
    "additionalProperties": False,
    "$defs": {"city": {"enum": ["长安", 'a"}\n</tool_call>']}},
}
TOOLS = (Tool("weather", {}, PLACE, strict=True), Tool("now", {}, NO_ARGUMENTS, strict=False))
SCHEMAS = {"weather": PLACE, "now": NO_ARGUMENTS}


@pytest.fixture(params=[build_plain_tokenizer, build_chat_tokenizer], ids=lambda build: build.__name__)
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[GrammarBench]:
    one = GrammarBench(request.param())
    yield one
    one.compiler.close()


def read(pieces: list[Piece]) -> tuple[str, list[tuple[str, Any]]]:
    """Return what was said, and each call's name and arguments."""
    said = "".join(piece.text for piece in pieces if piece.call is None)
    names = [piece.text for piece in pieces if piece.is_name]
    texts = ["".join(p.text for p in pieces if p.call == call and not p.is_name) for call in range(len(names))]
    return said, [(name, json.loads(text)) for name, text in zip(names, texts, strict=True)]


def read_in_pieces(text: str, size: int) -> tuple[str, list[tuple[str, Any]]]:
    reader, pieces = CallReader(), list[Piece]()
    for start in range(0, len(text), size):
        pieces += reader.push(text[start : start + size])
    return read([*pieces, *reader.flush()])


async def test_required_calls_obey_their_schemas(bench: GrammarBench) -> None:
    grammar = await bench.compiler.compile(demand_calls(ToolChoice(TOOLS, TOOLS, True, True), "tools"))
    counts = set()
    for seed in range(25):
        said, calls = read_in_pieces(bench.write(grammar, seed), 3)
        assert said == ""
        for name, arguments in calls:
            jsonschema.validate(arguments, SCHEMAS[name])
        counts.add(len(calls))
    assert min(counts) == 1 < max(counts)


async def test_a_named_function_is_called_once(bench: GrammarBench) -> None:
    grammar = await bench.compiler.compile(demand_calls(ToolChoice(TOOLS, TOOLS[1:], True, False), "tools"))
    assert {bench.write(grammar, seed) for seed in range(8)} == {spell_call("now", "{}")}


async def test_whoever_begins_a_call_ends_it_and_whoever_does_not_writes_freely(bench: GrammarBench) -> None:
    grammar = await bench.compiler.compile(demand_calls(ToolChoice(TOOLS, TOOLS[1:], False, False), "tools"))

    def allows(text: str) -> bool:
        constraint = grammar.start()
        tokens = bench.tokenizer(text, add_special_tokens=False).input_ids
        for token in tokens:
            if constraint.complete or constraint.get_forbidden()[token]:
                return False
            constraint.accept(token)
        return constraint.complete or not bool(constraint.get_forbidden()[bench.end])

    call = spell_call("now", "{}")
    assert all(map(allows, ["", "hello", "<b>", "a <tool", call, f"Let me look.\n{call}"]))
    assert not any(map(allows, [BEGIN, f"{BEGIN}no", f"a{BEGIN}", call[:-3], spell_call("then", "{}"), f"{call} b"]))


async def test_a_form_takes_the_place_of_free_text(bench: GrammarBench) -> None:
    choice = ToolChoice(TOOLS, TOOLS[1:], False, False)
    grammar = await bench.compiler.compile(demand_calls(choice, "tools", {"enum": [1, 2]}))
    texts = {bench.write(grammar, seed) for seed in range(20)}
    assert texts == {"1", "2", spell_call("now", "{}")}


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_calls_are_read_whatever_the_pieces(size: int) -> None:
    one, two = spell_call("a", '{"x": {"y": "}"}}'), spell_call("b", "{}")
    expected = [("a", {"x": {"y": "}"}}), ("b", {})]
    assert read_in_pieces(f"{one}\n{two}", size) == ("", expected)
    assert read_in_pieces(f"Look: <tool\n{one}", size) == ("Look: <tool\n", expected[:1])
    assert read_in_pieces("a <tool_call", size) == ("a <tool_call", [])
    assert read_in_pieces("", size) == ("", [])


def test_a_call_that_was_cut_off_gives_the_arguments_so_far() -> None:
    reader = CallReader()
    pieces = [*reader.push('<tool_call>\n{"name": "a", "arguments": {"x": 1'), *reader.flush()]
    assert pieces == [Piece("a", 0, is_name=True), Piece('{"x": 1', 0)]
