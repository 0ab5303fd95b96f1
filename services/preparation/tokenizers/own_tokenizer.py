"""Counts and shows rows with a model's own tokenizer, as the engine's training makes tokens of them."""

from collections.abc import Iterator

from services.preparation.tokenizers.model_view import ModelView, TokenPiece, make_view, split_pieces
from shared.texts.own_encoding import OwnEncoding


class OwnTokenizer(OwnEncoding):
    """Rows as the engine trains on them, token by token."""

    def view_pair(self, prompt: str, completion: str) -> ModelView:
        """A prompt-completion row, token by token."""
        return self._view(self.encode_pair(prompt, completion))

    def view_chat(self, record: str) -> ModelView:
        """A chat line, token by token."""
        return self._view(self.encode_chat(record))

    def _view(self, parts: list[tuple[list[int], bool]]) -> ModelView:
        pieces: Iterator[TokenPiece] = (
            piece for ids, is_trained in parts for piece in split_pieces(self.decode, ids, is_trained)
        )
        return make_view(list(pieces), self.tokens.limit)
