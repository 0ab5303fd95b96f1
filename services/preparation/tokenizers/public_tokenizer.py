"""Counts and shows rows with the published encodings of OpenAI's models."""

from services.preparation.tokenizers.model_view import ModelView, view_chat, view_pair
from shared.texts.training_file import PublishedCounter


class PublicTokenizer(PublishedCounter):
    """Rows as OpenAI's fine-tuning counts them, token by token."""

    def view_pair(self, prompt: str, completion: str) -> ModelView:
        """A prompt-completion row, token by token."""
        return view_pair(self.encoding, prompt, completion, self.tokens.limit)

    def view_chat(self, record: str) -> ModelView:
        """A chat line, token by token."""
        return view_chat(self.encoding, record, self.tokens.limit)
