"""Counts and shows rows with the published encodings of OpenAI's models."""

from services.preparation.tokenizers.model_view import ModelView, view_chat, view_pair
from shared.texts.encodings import count_chat, count_pair, load_encoding, tokens_of_model


class PublicTokenizer:
    """Rows as OpenAI's fine-tuning counts them."""

    def __init__(self, model: str) -> None:
        self.tokens = tokens_of_model(model)
        self._encoding = load_encoding(self.tokens.encoding)

    def count_pair(self, prompt: str, completion: str) -> int:
        """Tokens of a prompt-completion row."""
        return count_pair(self._encoding, prompt, completion)

    def count_chat(self, record: str) -> int:
        """Tokens of a chat line."""
        return count_chat(self._encoding, record)

    def view_pair(self, prompt: str, completion: str) -> ModelView:
        """A prompt-completion row, token by token."""
        return view_pair(self._encoding, prompt, completion, self.tokens.limit)

    def view_chat(self, record: str) -> ModelView:
        """A chat line, token by token."""
        return view_chat(self._encoding, record, self.tokens.limit)
