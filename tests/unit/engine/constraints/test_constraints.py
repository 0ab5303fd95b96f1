"""Every text that a grammar lets through is what was asked for, whatever the model would have liked to write."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

import jsonschema_rs
import pytest
import torch

from services.engine.constraints.grammar import (
    Grammar,
    demand_choice,
    demand_grammar,
    demand_json,
    demand_match,
)
from services.engine.errors import InvalidRequestError
from tests.support.grammar_bench import GrammarBench
from tests.support.tiny_models.tokenizers import (
    build_chat_tokenizer,
    build_plain_tokenizer,
    build_sentencepiece_tokenizer,
)

HERO = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 8},
        "age": {"type": "integer", "minimum": 0, "maximum": 999},
        "powers": {"type": "array", "items": {"enum": ["隐形", "flight"]}, "minItems": 1, "maxItems": 3},
        "home": {"$ref": "#/$defs/place"},
    },
    "required": ["name", "age", "powers", "home"],
    "additionalProperties": False,
    "$defs": {
        "place": {
            "anyOf": [
                {"type": "null"},
                {
                    "type": "object",
                    "properties": {"x": {"type": "boolean"}},
                    "required": ["x"],
                    "additionalProperties": False,
                },
            ]
        }
    },
}
TOKENIZERS = [build_plain_tokenizer, build_chat_tokenizer, build_sentencepiece_tokenizer]


@pytest.fixture(params=TOKENIZERS, ids=lambda build: build.__name__)
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[GrammarBench]:
    one = GrammarBench(request.param())
    yield one
    one.compiler.close()


async def refuse(grammar: Grammar) -> InvalidRequestError:
    bench = GrammarBench(build_plain_tokenizer())
    with pytest.raises(InvalidRequestError) as caught:
        await bench.compiler.compile(grammar)
    bench.compiler.close()
    return caught.value


async def test_every_text_under_a_schema_is_json_that_the_schema_admits(bench: GrammarBench) -> None:
    grammar = await bench.compiler.compile(demand_json(HERO, "f"))
    for seed in range(20):
        jsonschema_rs.validate(HERO, json.loads(bench.write(grammar, seed)))


@pytest.mark.parametrize(
    ("demand", "is_met"),
    [
        (demand_choice(["唐", "宋 ", 'a"b\n', "a"], "f"), lambda text: text in {"唐", "宋 ", 'a"b\n', "a"}),
        (demand_match(r"[a-c]{2,5}-\d", "f"), lambda text: 4 <= len(text) <= 7 and text[-2] == "-"),
        (demand_grammar('root ::= "x" ("y" | "z")', "f"), lambda text: text in {"xy", "xz"}),
        (demand_grammar('start: "x" /[yz]/', "f"), lambda text: text in {"xy", "xz"}),
    ],
    ids=["choice", "regex", "gbnf", "lark"],
)
async def test_every_text_is_what_the_demand_says(
    bench: GrammarBench, demand: Grammar, is_met: Callable[[str], bool]
) -> None:
    grammar = await bench.compiler.compile(demand)
    texts = {bench.write(grammar, seed) for seed in range(20)}
    assert all(map(is_met, texts))
    assert len(texts) > 1


async def test_two_texts_under_one_grammar_do_not_disturb_each_other(bench: GrammarBench) -> None:
    grammar = await bench.compiler.compile(demand_choice(["ab", "ba"], "f"))
    one, two = grammar.start(), grammar.start()
    (first,) = bench.tokenizer("ab", add_special_tokens=False).input_ids[-2:-1]
    one.accept(first)
    assert not torch.equal(one.get_forbidden(), two.get_forbidden())
    assert torch.equal(two.get_forbidden(), grammar.start().get_forbidden())


async def test_json_has_no_free_blanks_in_which_a_model_could_lose_itself(bench: GrammarBench) -> None:
    constraint = (await bench.compiler.compile(demand_json({"type": "object"}, "f"))).start()
    brace, blank, line = (bench.tokenizer(f"a{text}", add_special_tokens=False).input_ids[-1] for text in "{ \n")
    assert not constraint.get_forbidden()[brace]
    constraint.accept(brace)
    assert constraint.get_forbidden()[blank]
    assert constraint.get_forbidden()[line]


@pytest.mark.parametrize(
    "grammar",
    [
        demand_json({"type": "string", "minLength": 5, "maxLength": 3}, "f"),
        demand_json({"type": "object", "properties": {"a": False}, "required": ["a"]}, "f"),
        demand_json({"type": "hero"}, "f"),
        demand_json({"$ref": "#/nowhere"}, "f"),
        demand_json({"type": "array", "uniqueItems": True}, "f"),
        demand_json({"type": "string", "pattern": "(?=a)b"}, "f"),
        demand_match("(", "f"),
        demand_match("(?<=a)b", "f"),
        demand_grammar("start: nothing", "f"),
    ],
    ids=str,
)
async def test_what_cannot_be_held_to_is_refused_with_its_name(grammar: Grammar) -> None:
    error = await refuse(grammar)
    assert (error.status, error.param) == (400, "f")
    assert len(error.message) < 450


async def test_a_keyword_that_cannot_be_obeyed_is_passed_over_where_that_is_allowed(bench: GrammarBench) -> None:
    assert await bench.compiler.compile(demand_json({"type": "array", "uniqueItems": True}, "f", lenient=True))


async def test_a_schema_over_the_bound_is_refused_unread() -> None:
    error = await refuse(demand_json({"enum": ["x" * 9000]}, "f"))
    assert "STORYMILL_ENGINE_MAX_GRAMMAR_BYTES" in error.message


async def test_compiling_leaves_the_event_loop_free(bench: GrammarBench) -> None:
    schema = {"type": "object", "properties": {f"k{n}": {"type": "string", "maxLength": 200} for n in range(60)}}
    compiling = asyncio.ensure_future(bench.compiler.compile(demand_json(schema, "f")))
    turns = 0
    while not compiling.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 2
    assert await compiling
