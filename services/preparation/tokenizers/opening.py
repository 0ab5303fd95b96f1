"""Which tokenizer counts for a model: its own where it is at hand, else the published one that comes nearest."""

from services.preparation.tokenizers.model_view import RowTokenizer
from services.preparation.tokenizers.public_tokenizer import PublicTokenizer
from shared.texts.encodings import OwnTokenizerFile


def open_tokenizer(model: str, own: OwnTokenizerFile | None) -> RowTokenizer:
    """Return the model's own tokenizer, else the published one that comes nearest."""
    if own is None:
        return PublicTokenizer(model)
    # Deferred: only models of the engine need it, and files are prepared without its library too.
    from services.preparation.tokenizers.own_tokenizer import OwnTokenizer  # noqa: PLC0415

    return OwnTokenizer(own, model)
