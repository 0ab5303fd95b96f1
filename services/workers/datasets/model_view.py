"""A row as the model sees it: its tokens in order, and which of them it learns to write."""

from dataclasses import dataclass
from typing import Any

import orjson

from services.workers.datasets.chat_text import message_text

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
    return _view([*_pieces(tokenizer, prompt, False), *_pieces(tokenizer, completion, True)], limit)


def view_chat(tokenizer: Any, record: str, limit: int | None = None) -> ModelView:
    """A chat line in the ChatML form: assistant turns are learnt unless their weight is 0."""
    pieces: list[TokenPiece] = []
    for message in orjson.loads(record).get("messages", []):
        is_trained = message.get("role") == "assistant" and message.get("weight", 1) != 0
        pieces.append(TokenPiece(f"<|im_start|>{message.get('role', '')}\n", (-1, -1, -1), False))
        pieces.extend(_pieces(tokenizer, message_text(message), is_trained))
        pieces.append(TokenPiece("<|im_end|>\n", (), is_trained))
    return _view(pieces, limit)


def _view(pieces: list[TokenPiece], limit: int | None) -> ModelView:
    count = sum(len(piece.ids) for piece in pieces)
    trained = sum(len(piece.ids) for piece in pieces if piece.is_trained)
    return ModelView(tuple(pieces), count, trained, min(count, limit) if limit else count)


def _pieces(tokenizer: Any, text: str, is_trained: bool) -> list[TokenPiece]:
    pieces: list[TokenPiece] = []
    waiting: list[int] = []
    for token in tokenizer.encode(text):
        waiting.append(token)
        shown = _decode(tokenizer, waiting)
        if shown is not None:
            pieces.append(TokenPiece(shown, tuple(waiting), is_trained))
            waiting = []
    if waiting:
        pieces.append(TokenPiece(REPLACEMENT, tuple(waiting), is_trained))
    return pieces


def _decode(tokenizer: Any, ids: list[int]) -> str | None:
    """The text of the tokens, or None while they end inside a character."""
    try:
        text = str(tokenizer.decode(ids))
    except (ValueError, UnicodeError):
        return None
    return None if REPLACEMENT in text else text
