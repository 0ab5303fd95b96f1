"""What datasets count for an engine model is what the engine's training makes of the rows, token for token."""

from pathlib import Path

import orjson
import pytest
from transformers import PreTrainedTokenizerFast

from services.engine.model.chat import PLAIN_TEMPLATE
from services.engine.tokenizer_file import write_tokenizer_file
from services.engine.training.encoding import ExampleEncoder, TrainingSequence
from services.engine.training.examples import parse_line
from services.preparation.tokenizers.own_tokenizer import OwnTokenizer
from shared.texts.encodings import OwnTokenizerFile
from tests.support.tiny_model import build_tiny_tokenizer

GEMMA_LIKE = (
    "{{ bos_token }}{% for message in messages %}{% if message.role == 'system' and loop.index0 > 0 %}"
    "{{ raise_exception('the system speaks first') }}{% endif %}[{{ message.role }}]\n{{ message.content }}"
    "<eos>\n{% endfor %}{% if add_generation_prompt %}[assistant]\n{% endif %}"
)
USER, ANSWER = {"role": "user", "content": "讲一个唐朝的故事"}, {"role": "assistant", "content": "从前，有一位英雄。🦸"}
PAIRS = [("唐,飞行 ->", " 英雄来了。"), ("", "no prompt"), ("a ->\n", " \n\n龘😀 x")]
CALL = {"id": "c1", "type": "function", "function": {"name": "看", "arguments": '{"place": "长安"}'}}
CHATS = [
    [USER, ANSWER],
    [{"role": "system", "content": "你是作家"}, USER, ANSWER, USER, {**ANSWER, "weight": 0}, USER, ANSWER],
    [USER, {"role": "assistant", "content": None, "tool_calls": [CALL, CALL]}],
    [
        USER,
        {**ANSWER, "function_call": CALL["function"]},
        {"role": "function", "name": "看", "content": "下雪"},
        ANSWER,
    ],
]


@pytest.fixture(params=[None, GEMMA_LIKE], ids=["plain", "own template"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[ExampleEncoder, OwnTokenizer]:
    """The engine's encoder and ours, which knows only the file and the card."""
    tokenizer: PreTrainedTokenizerFast = build_tiny_tokenizer()
    tokenizer.chat_template = request.param
    file = write_tokenizer_file(tokenizer, tmp_path)
    template = tokenizer.chat_template or PLAIN_TEMPLATE
    order = OwnTokenizerFile(str(file.path), "tiny", template, tokenizer.bos_token, tokenizer.eos_token, 2048)
    encoder = ExampleEncoder(tokenizer, maximum_tokens=2048)
    return encoder, OwnTokenizer(order, "ft:tiny:org:one:1")


def train_on(encoder: ExampleEncoder, line: object) -> TrainingSequence:
    """What training makes of a line."""
    encoded = encoder.encode(parse_line(orjson.dumps(line)))
    assert isinstance(encoded, TrainingSequence)
    return encoded


@pytest.mark.parametrize("pair", PAIRS)
def test_a_pair_has_the_tokens_and_the_loss_mask_of_training(
    both: tuple[ExampleEncoder, OwnTokenizer], pair: tuple[str, str]
) -> None:
    encoder, ours = both
    trained = train_on(encoder, {"prompt": pair[0], "completion": pair[1]})
    view = ours.view_pair(*pair)
    assert [token for piece in view.pieces for token in piece.ids] == trained.tokens
    assert [piece.is_trained for piece in view.pieces for _ in piece.ids] == trained.learned
    assert ours.count_pair(*pair) == len(trained) == view.token_count
    assert view.pieces[0].text == "<bos>"


@pytest.mark.parametrize("messages", CHATS, ids=["short", "long", "calls", "legacy call"])
def test_a_chat_has_the_tokens_and_the_loss_mask_of_training(
    both: tuple[ExampleEncoder, OwnTokenizer], messages: list[dict[str, object]]
) -> None:
    encoder, ours = both
    trained = train_on(encoder, {"messages": messages})
    record = orjson.dumps({"messages": messages}).decode()
    view = ours.view_chat(record)
    assert [token for piece in view.pieces for token in piece.ids] == trained.tokens
    assert [piece.is_trained for piece in view.pieces for _ in piece.ids] == trained.learned
    assert ours.count_chat(record) == len(trained)


def test_a_line_that_the_template_refuses_is_counted_all_the_same(both: tuple[ExampleEncoder, OwnTokenizer]) -> None:
    _, ours = both
    assert ours.count_chat(orjson.dumps({"messages": [USER, {"role": "system", "content": "zu spät"}]}).decode()) > 10
    assert ours.count_chat('{"messages": "none"}') >= 1


def test_the_file_is_written_once_under_its_hash(tmp_path: Path) -> None:
    tokenizer = build_tiny_tokenizer()
    first, again = (write_tokenizer_file(tokenizer, tmp_path) for _ in range(2))
    whole = first.path.read_bytes()
    first.path.write_bytes(whole[:100])
    assert write_tokenizer_file(tokenizer, tmp_path).path.read_bytes() == whole
    assert first == again
    assert [path.name for path in tmp_path.iterdir()] == [f"{first.sha256}.json"]
