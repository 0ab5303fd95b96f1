"""Turns grammars into what can be followed token by token, for one tokenizer."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from llguidance import LLMatcher, LLParserLimits, LLTokenizer
from llguidance.hf import from_tokenizer

from services.engine.constraints.grammar import Grammar
from services.engine.constraints.running_constraint import Constraint
from services.engine.errors import InvalidRequestError

LIMITS: Final = LLParserLimits(max_lexer_states=50_000, verbose_errors=False)
"""As the library has them, but for memory: a state costs up to 2 kB, and it allows 250,000. Its long errors hold the
whole grammar."""
LONGEST_COMPLAINT = 300
"""Characters of the library's message that are passed on."""


class CompiledGrammar:
    """A grammar at its beginning; each text that is held to it starts there."""

    def __init__(self, matcher: LLMatcher, param: str, vocabulary_size: int, masks: ThreadPoolExecutor) -> None:
        self._matcher = matcher
        self._param = param
        self._vocabulary_size = vocabulary_size
        self._masks = masks

    def start(self) -> Constraint:
        """Begin a text."""
        return Constraint(self._matcher.deep_copy(), self._param, self._vocabulary_size, self._masks)


class GrammarCompiler:
    """Compiles for one model. Its view of the vocabulary is built at the first grammar: a second or so."""

    def __init__(self, tokenizer: Any, vocabulary_size: int, end_tokens: Sequence[int], most_bytes: int) -> None:
        self._tokenizer = tokenizer
        self._vocabulary_size = vocabulary_size
        self._end_tokens = list(end_tokens)
        self._most_bytes = most_bytes
        self._vocabulary: LLTokenizer | None = None
        self._building = threading.Lock()
        self._masks = ThreadPoolExecutor(max_workers=1, thread_name_prefix="masks")

    async def compile(self, grammar: Grammar) -> CompiledGrammar:
        """Return the grammar ready to be followed. Raises: InvalidRequestError, with the field's name, when it is too
        large, says nothing that can be followed, or cannot be fulfilled."""
        if len(grammar.text.encode()) > self._most_bytes:
            raise InvalidRequestError(
                f"{grammar.param} holds more than {self._most_bytes} bytes (STORYMILL_ENGINE_MAX_GRAMMAR_BYTES).",
                param=grammar.param,
            )
        return await asyncio.to_thread(self._compile, grammar)

    def spell(self, tokens: Sequence[int], param: str) -> list[bytes]:
        """Return the bytes of the text that each token stands for. Raises: InvalidRequestError where the model's
        tokenizer does not tell."""
        vocabulary = self._get_vocabulary(param)
        return [vocabulary.decode_bytes([token]) for token in tokens]

    def close(self) -> None:
        """End the thread that looks ahead."""
        self._masks.shutdown(wait=False, cancel_futures=True)

    def _compile(self, grammar: Grammar) -> CompiledGrammar:
        matcher = LLMatcher(self._get_vocabulary(grammar.param), grammar.text, log_level=0, limits=LIMITS)
        if matcher.is_error():
            complaint = " ".join(matcher.get_error().split())[:LONGEST_COMPLAINT]
            raise InvalidRequestError(
                f"{grammar.param} asks for what cannot be held to: {complaint}", param=grammar.param
            )
        return CompiledGrammar(matcher, grammar.param, self._vocabulary_size, self._masks)

    def _get_vocabulary(self, param: str) -> LLTokenizer:
        with self._building:
            if self._vocabulary is None:
                size = max(self._vocabulary_size, len(self._tokenizer))
                try:
                    self._vocabulary = from_tokenizer(self._tokenizer, n_vocab=size, eos_token=self._end_tokens)
                except (ValueError, TypeError, AttributeError) as error:
                    raise InvalidRequestError(
                        f"{param} is not supported: this model's tokenizer cannot be held to a grammar ({error}).",
                        param=param,
                    ) from error
            return self._vocabulary
