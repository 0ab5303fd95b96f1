"""Models other than Gemma run in a batch of rows at different positions as they do alone."""

import copy

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, PreTrainedConfig, Qwen2Config

from services.engine.model.runner import ModelRunner, UnsupportedModelError

SIZES = {
    "vocab_size": 100,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.3,
    "max_position_embeddings": 256,
    "bos_token_id": 1,
    "eos_token_id": None,
    "pad_token_id": 0,
}
CONFIGS = [LlamaConfig(**SIZES), MistralConfig(**SIZES, sliding_window=8), Qwen2Config(**SIZES)]
PROMPTS = [[5, 6, 7, 8, 9, 10, 11, 12, 13, 14], [20], [30, 31, 32]]
TOKENS = 12


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.model_type)
def test_a_batch_equals_each_prompt_alone(config: PreTrainedConfig) -> None:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    alone = [
        model.generate(
            torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt)), max_new_tokens=TOKENS, do_sample=False
        )[0, len(prompt) :].tolist()
        for prompt in PROMPTS
    ]
    runner, nobody = ModelRunner(model, slots=3, context_length=64), [None] * 3
    written = [[token] for token in runner.run(0, PROMPTS, [0] * 3, nobody).argmax(-1).tolist()]
    for step in range(TOKENS - 1):
        starts = [len(prompt) + step for prompt in PROMPTS]
        chosen = runner.run(0, [one[-1:] for one in written], starts, nobody).argmax(-1).tolist()
        written = [[*one, token] for one, token in zip(written, chosen, strict=True)]
    assert written == alone


def test_layers_that_cannot_run_at_rows_own_positions_are_refused() -> None:
    model = AutoModelForCausalLM.from_config(CONFIGS[0])
    model.config = copy.deepcopy(model.config)
    model.config.layer_types = ["linear_attention", "full_attention"]
    with pytest.raises(UnsupportedModelError, match="linear_attention"):
        ModelRunner(model, slots=1, context_length=64)
