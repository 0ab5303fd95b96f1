"""Small tokenizers that split text as those of the known families do: characters, and bytes for the rest.

- plain: as Gemma; begins every text with `<bos>`.
- chat: as Qwen; bytes, no beginning-of-text token, turns between `<|im_start|>` and `<|im_end|>`.
- sentencepiece: as Llama 2; a blank before the first word, `<s>` at the beginning.
- ending: as plain, but puts `<eos>` after every text as well.
"""

from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from tests.support.tiny_model import KNOWN_CHARACTERS, build_tiny_tokenizer

CHAT_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
# No special tokens: Qwen3 writes them as text of their own.
THINKING_TOKENS = ["<think>", "</think>"]


def build_plain_tokenizer() -> PreTrainedTokenizerFast:
    """Build the one that the tiny model of other tests has."""
    return build_tiny_tokenizer()


def build_chat_tokenizer(template: str | None = None) -> PreTrainedTokenizerFast:
    """Build a byte-level tokenizer without a beginning-of-text token; a turn ends with `<|im_end|>`."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: number for number, piece in enumerate(alphabet)}
    tokenizer = Tokenizer(BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in CHAT_TOKENS])
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in THINKING_TOKENS])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<|endoftext|>", eos_token="<|im_end|>", chat_template=template
    )


def build_sentencepiece_tokenizer(template: str | None = None) -> PreTrainedTokenizerFast:
    """Build one that puts a blank before the first word of every text, as Llama 2's does."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *dict.fromkeys(KNOWN_CHARACTERS)]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(BPE(vocab=vocabulary, merges=[], unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in pieces[:3]])
    tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", vocabulary["<s>"])])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", chat_template=template
    )


def build_ending_tokenizer(template: str | None = None) -> PreTrainedTokenizerFast:
    """Build one that adds `<eos>` to every text, so that a prompt seems to have ended."""
    tokenizer = build_tiny_tokenizer()
    ids = [("<bos>", tokenizer.bos_token_id), ("<eos>", tokenizer.eos_token_id)]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<bos> $A <eos>", special_tokens=ids)
    tokenizer.chat_template = template
    return tokenizer
