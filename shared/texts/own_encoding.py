"""A model's own tokenizer, as the engine's training makes tokens of rows: beginning of text, prompt, completion, end.

Knows no network: the file and the template were fetched before.
"""

from typing import Any, Final

import orjson
from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from shared.texts.chat_message import learned_text
from shared.texts.encodings import ModelTokens, OwnTokenizerFile

UNNAMED_ROLE: Final = "user"


class OwnEncoding:
    """Rows as the engine trains on them."""

    def __init__(self, file: OwnTokenizerFile, model: str) -> None:
        self.tokens = ModelTokens(model, f"tokenizer of {file.name}", file.limit, is_exact=True)
        self._tokenizer = Tokenizer.from_file(file.path)
        self._bos = file.bos_token or ""
        end = self._tokenizer.token_to_id(file.eos_token) if file.eos_token else None
        self._end: list[int] = [] if end is None else [end]
        self._specials = {"bos_token": self._bos, "eos_token": file.eos_token or ""}
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.globals["raise_exception"] = refuse
        self._template = environment.from_string(file.chat_template)

    def count_pair(self, prompt: str, completion: str) -> int:
        """Tokens of a prompt-completion row."""
        return sum(len(ids) for ids, _ in self.encode_pair(prompt, completion))

    def count_chat(self, record: str) -> int:
        """Tokens of a chat line in the model's own chat form."""
        return sum(len(ids) for ids, _ in self.encode_chat(record))

    def encode_pair(self, prompt: str, completion: str) -> list[tuple[list[int], bool]]:
        """The tokens of both sides, each with whether it is learnt."""
        return [(self.encode(prompt, is_start=True), False), (self.encode(completion) + self._end, True)]

    def encode_chat(self, record: str) -> list[tuple[list[int], bool]]:
        """The tokens of a chat line, piece by piece, each with whether it is learnt."""
        parts: list[tuple[list[int], bool]] = []
        for text, is_trained in self._cut_at_turns(read_turns(record)):
            parts.append((self.encode(text, is_start=not parts), is_trained))
        if parts and parts[-1][0][-1:] != self._end:
            parts.append((self._end, True))
        return parts

    def encode(self, text: str, *, is_start: bool = False) -> list[int]:
        """The tokens of a text, after the beginning of text if it `is_start`."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=is_start).ids
        return ids

    def decode(self, ids: list[int]) -> str:
        """The text of tokens, special ones as they are written."""
        text: str = self._tokenizer.decode(ids, skip_special_tokens=False)
        return text

    def _cut_at_turns(self, turns: list[dict[str, Any]]) -> list[tuple[str, bool]]:
        """The text before each answer that is learnt, and the answer; tokens never reach over the cut."""
        messages = [{"role": turn.get("role", UNNAMED_ROLE), "content": learned_text(turn)} for turn in turns]
        pieces: list[tuple[str, bool]] = []
        done = ""
        for position, turn in enumerate(turns):
            if turn.get("role") != "assistant" or turn.get("weight", 1) == 0:
                continue
            before = self._render(messages[:position], answer_follows=True)
            after = self._render(messages[: position + 1], answer_follows=False)
            pieces += [(before[len(done) :], False), (after[len(before) :].rstrip("\n"), True)]
            done = before + pieces[-1][0]
        return [piece for piece in pieces if piece[0]] or [(self._render(messages, answer_follows=False), False)]

    def _render(self, messages: list[dict[str, str]], *, answer_follows: bool) -> str:
        """The model's text of these turns; what its template refuses is counted as it stands."""
        try:
            text = self._template.render(messages=messages, add_generation_prompt=answer_follows, **self._specials)
        except TemplateError:
            return "\n".join(message["content"] for message in messages)
        return text.removeprefix(self._bos)


def read_turns(record: str) -> list[dict[str, Any]]:
    """Return the messages of a chat line that are objects."""
    messages = orjson.loads(record).get("messages")
    return [turn for turn in messages if isinstance(turn, dict)] if isinstance(messages, list) else []


def refuse(message: str) -> None:
    """What chat templates call for turns that they do not take. Raises: TemplateError, always."""
    raise TemplateError(message)
