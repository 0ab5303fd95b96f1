"""A row as the model sees it: its tokens in order, and which of them it learns to write."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from services.preparation.rows.row_store import RowStore
from shared.texts.chat_message import message_text
from shared.texts.encodings import ModelTokens

REPLACEMENT = "\ufffd"


@dataclass(frozen=True, slots=True)
class TokenPiece:
    """One token, or a few whose bytes make one character. `is_trained`: it counts for the loss."""

    text: str
    ids: tuple[int, ...]
    is_trained: bool


@dataclass(frozen=True, slots=True)
class ModelView:
    """`billed_count` is the number of tokens that one epoch over this row is billed for."""

    pieces: tuple[TokenPiece, ...]
    token_count: int
    trained_count: int
    billed_count: int


def view_pair(tokenizer: Any, prompt: str, completion: str, limit: int | None = None) -> ModelView:
    """A prompt-completion row: the prompt is context, the completion is learnt."""
    return make_view([*_pieces(tokenizer, prompt, False), *_pieces(tokenizer, completion, True)], limit)


def view_chat(tokenizer: Any, record: str, limit: int | None = None) -> ModelView:
    """A chat line in the ChatML form: assistant turns are learnt unless their weight is 0."""
    pieces: list[TokenPiece] = []
    messages = orjson.loads(record).get("messages")
    for message in messages if isinstance(messages, list) else []:
        if not isinstance(message, dict):
            continue
        is_trained = message.get("role") == "assistant" and message.get("weight", 1) != 0
        pieces.append(TokenPiece(f"<|im_start|>{message.get('role', '')}\n", (-1, -1, -1), False))
        pieces.extend(_pieces(tokenizer, message_text(message), is_trained))
        pieces.append(TokenPiece("<|im_end|>\n", (), is_trained))
    return make_view(pieces, limit)


def make_view(pieces: list[TokenPiece], limit: int | None) -> ModelView:
    """Count the pieces; no more than `limit` of them are billed."""
    count = sum(len(piece.ids) for piece in pieces)
    trained = sum(len(piece.ids) for piece in pieces if piece.is_trained)
    return ModelView(tuple(pieces), count, trained, min(count, limit) if limit else count)


def _pieces(tokenizer: Any, text: str, is_trained: bool) -> list[TokenPiece]:
    return split_pieces(tokenizer.decode, tokenizer.encode(text), is_trained)


def split_pieces(decode: Callable[[list[int]], str], tokens: Iterable[int], is_trained: bool) -> list[TokenPiece]:
    """Group tokens so that each piece is whole characters."""
    pieces: list[TokenPiece] = []
    waiting: list[int] = []
    for token in tokens:
        waiting.append(token)
        shown = _decode(decode, waiting)
        if shown is not None:
            pieces.append(TokenPiece(shown, tuple(waiting), is_trained))
            waiting = []
    if waiting:
        pieces.append(TokenPiece(REPLACEMENT, tuple(waiting), is_trained))
    return pieces


def _decode(decode: Callable[[list[int]], str], ids: list[int]) -> str | None:
    """The text of the tokens, or None while they end inside a character."""
    try:
        text = str(decode(ids))
    except (ValueError, UnicodeError):
        return None
    return None if REPLACEMENT in text else text


class RowTokenizer(Protocol):
    """Whatever counts and shows rows as one model sees them."""

    tokens: ModelTokens

    def count_pair(self, prompt: str, completion: str) -> int:
        """Tokens of a prompt-completion row."""

    def count_chat(self, record: str) -> int:
        """Tokens of a chat line."""

    def view_pair(self, prompt: str, completion: str) -> ModelView:
        """A prompt-completion row, token by token."""

    def view_chat(self, record: str) -> ModelView:
        """A chat line, token by token."""


def view_first_rows(final: RowStore, tokenizer: RowTokenizer, *, is_chat: bool, at_most: int) -> tuple[ModelView, ...]:
    """Return a few rows as the model sees them."""
    first = next(final.batches(), None)
    if first is None:
        return ()
    rows = list(zip(first.prompts, first.completions, first.records, strict=True))[:at_most]
    if is_chat:
        return tuple(tokenizer.view_chat(record) for _, _, record in rows)
    return tuple(tokenizer.view_pair(prompt, completion) for prompt, completion, _ in rows)
