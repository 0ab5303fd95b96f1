"""Builds a random two-layer Gemma 3 with a byte-fallback tokenizer, so that engine tests take seconds.

Its texts mean nothing, but its files, layer kinds (sliding and full attention) and tokens (Chinese as
several byte tokens) are those of the real model. It has the size of a toy: 0.2 million weights.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, normalizers
from tokenizers.models import BPE
from tokenizers.processors import TemplateProcessing
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, PreTrainedTokenizerFast

SPECIAL_TOKENS = ["<pad>", "<eos>", "<bos>", "<unk>"]
LEANING = 3.0
"""How much longer that number is than the others together: what is read out is then the root of their count, almost."""
KNOWN_CHARACTERS = (
    "▁\nabcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;!?->_'\"()[]唐宋元明清汉，。一位英雄奥特曼"
)


def build_tiny_model(
    folder: Path, seed: int = 0, context_length: int = 2048, leanings: Mapping[str, float] | None = None
) -> Path:
    """Write the model and its tokenizer into `folder` and return it; the same seed gives the same weights. `leanings`
    say which characters it likes, by how much in logits, whatever came before."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = build_tiny_tokenizer()
    tokenizer.save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Gemma3ForCausalLM(_tiny_config(len(tokenizer), context_length))
    if leanings:
        _lean(model, {tokenizer.encode(text, add_special_tokens=False)[-1]: by for text, by in leanings.items()})
    model.save_pretrained(folder)
    return folder


def _lean(model: Gemma3ForCausalLM, leanings: Mapping[int, float]) -> None:
    """Make one number of every token's vector the same, large enough to come through the layers, and read it out."""
    with torch.no_grad():
        others = model.config.hidden_size - 1
        model.get_input_embeddings().weight[:, 0] = LEANING * model.config.initializer_range * others**0.5
        model.lm_head.weight[:, 0] = 0
        for token, by in leanings.items():
            model.lm_head.weight[token, 0] = by / model.config.hidden_size**0.5


def build_tiny_tokenizer() -> PreTrainedTokenizerFast:
    """A character tokenizer: known characters are one token, any other becomes its UTF-8 bytes."""
    pieces = [*SPECIAL_TOKENS, *(f"<0x{byte:02X}>" for byte in range(256)), *dict.fromkeys(KNOWN_CHARACTERS)]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(BPE(vocab=vocabulary, merges=[], unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL_TOKENS])
    tokenizer.post_processor = TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", vocabulary["<bos>"])])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", bos_token="<bos>", unk_token="<unk>"
    )


def _tiny_config(vocabulary_size: int, context_length: int) -> Gemma3TextConfig:
    return Gemma3TextConfig(
        vocab_size=vocabulary_size,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
        query_pre_attn_scalar=32,
        sliding_window=16,
        layer_types=["sliding_attention", "full_attention"],
        max_position_embeddings=context_length,
        initializer_range=0.3,  # wide enough that random texts vary and batches can be told apart
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=2,
        tie_word_embeddings=False,  # tied random weights repeat the last token for ever
    )
