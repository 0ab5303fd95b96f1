"""Token counts without network: which encoding a model uses, and how many tokens a row is."""

import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import Any, Protocol

import orjson

from shared.texts.chat_message import message_text

# Longest prefix wins. The encodings of the legacy bases (r50k, p50k) are not shipped with any offline tokenizer:
# cl100k stands in and counts are labelled as estimates.
MODELS: tuple[tuple[str, str, int | None, bool], ...] = (
    # prefix, encoding, most tokens per training example, whether the count is exact
    ("gpt-5", "o200k_base", None, True),
    ("gpt-4.1", "o200k_base", 65_536, True),
    ("gpt-4o", "o200k_base", 65_536, True),
    ("chatgpt-4o", "o200k_base", None, True),
    ("o1", "o200k_base", None, True),
    ("o3", "o200k_base", None, True),
    ("o4", "o200k_base", 65_536, True),
    ("gpt-4", "cl100k_base", 8_192, True),
    ("gpt-3.5-turbo-0613", "cl100k_base", 4_096, True),
    ("gpt-3.5", "cl100k_base", 16_385, True),
    ("davinci-002", "cl100k_base", 16_384, True),
    ("babbage-002", "cl100k_base", 16_384, True),
    ("text-embedding", "cl100k_base", None, True),
    ("davinci", "cl100k_base", 2_048, False),
    ("text-davinci", "cl100k_base", 2_048, False),
    ("curie", "cl100k_base", 2_048, False),
    ("babbage", "cl100k_base", 2_048, False),
    ("ada", "cl100k_base", 2_048, False),
)
UNKNOWN_ENCODING = "o200k_base"
# The chat form around every message and around the whole, as in the providers' cookbook.
TOKENS_PER_MESSAGE = 3
TOKENS_PER_NAME = 1
TOKENS_PER_REPLY = 3


class Tokenizer(Protocol):
    """What counting with a published encoding needs."""

    def count(self, text: str) -> int:
        """The number of tokens."""


@dataclass(frozen=True, slots=True)
class ModelTokens:
    """How a model counts. `is_exact` is False where another model's encoding stands in."""

    model: str
    encoding: str
    limit: int | None
    is_exact: bool


@dataclass(frozen=True, slots=True)
class OwnTokenizerFile:
    """What describes a model's own tokenizer. `path` is a `tokenizer.json`."""

    path: str
    name: str
    """The model that it belongs to: the base of a tuned one."""
    chat_template: str
    bos_token: str | None
    eos_token: str | None
    limit: int | None
    """Most tokens of a training example."""


def tokens_of_model(model: str) -> ModelTokens:
    """Look up a model by its base: `ft:gpt-4o-mini:org::id` and `curie:ft-org:name` count as their bases do."""
    base = model.removeprefix("ft:").split(":", 1)[0]
    known = [entry for entry in MODELS if base.startswith(entry[0])]
    if not known:
        return ModelTokens(model, UNKNOWN_ENCODING, None, is_exact=False)
    _, encoding, limit, is_exact = max(known, key=lambda entry: len(entry[0]))
    return ModelTokens(model, encoding, limit, is_exact)


@lru_cache(maxsize=4)
def load_encoding(name: str) -> Any:
    """The tokenizer of an encoding. Special tokens in texts count as ordinary text."""
    # Loaded at the first count: its tables are 65 MB, and most processes never count. The compiled core: its wrapper
    # can only count by building the list of tokens.
    return _load_core().tokenizer_for_encoding(name)


def _load_core() -> Any:
    """The compiled module without its package: that reads three vocabularies into dictionaries when it is imported,
    half a second and 65 MB in each process, for nothing that counting needs."""
    name = "bpe_openai._bindings"
    if name not in sys.modules:
        package = find_spec("bpe_openai")
        spec = PathFinder.find_spec(name, package.submodule_search_locations) if package else None
        if spec is None or spec.loader is None:
            raise ModuleNotFoundError(f"{name} is not installed.", name=name)
        core = module_from_spec(spec)
        spec.loader.exec_module(core)
        sys.modules[name] = core
    return sys.modules[name]


def count_pair(tokenizer: Tokenizer, prompt: str, completion: str) -> int:
    """Tokens of a prompt-completion row, each part tokenized by itself as training does."""
    return tokenizer.count(prompt) + tokenizer.count(completion)


def count_chat(tokenizer: Tokenizer, record: str) -> int:
    """Tokens of a chat line, tools not counted."""
    messages = orjson.loads(record).get("messages")
    turns = [turn for turn in messages if isinstance(turn, dict)] if isinstance(messages, list) else []
    total = TOKENS_PER_REPLY
    for turn in turns:
        total += TOKENS_PER_MESSAGE + tokenizer.count(str(turn.get("role", ""))) + tokenizer.count(message_text(turn))
        if isinstance(turn.get("name"), str):
            total += tokenizer.count(turn["name"]) + TOKENS_PER_NAME
        if turn.get("tool_calls"):
            total += tokenizer.count(orjson.dumps(turn["tool_calls"]).decode())
    return total
