"""The families: which configuration each has, and what the engine shall do with it."""

from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["tuned", "served", "refused"]

# What all configurations share. Two heads of eight for keys and values: grouped-query attention where there is such a
# thing. The wide initialisation lets random texts vary, so that two ways of computing them can be told apart.
SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,
    "tie_word_embeddings": False,
}
WINDOW: dict[str, Any] = {"sliding_window": 16, "layer_types": ["sliding_attention", "full_attention"]}
EXPERTS: dict[str, Any] = {"moe_intermediate_size": 32, "num_experts_per_tok": 2}
LATENT: dict[str, Any] = {
    "kv_lora_rank": 16,
    "q_lora_rank": 16,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 8,
    "v_head_dim": 8,
    "n_group": 1,
    "topk_group": 1,
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "first_k_dense_replace": 1,
    "num_key_value_heads": 4,
}


@dataclass(frozen=True)
class Family:
    """One family. `verdict`: tuned (served and tuned), served (but nothing an adapter fits on), or refused.

    `without` names sizes that the family's configuration does not take.
    """

    name: str
    model_type: str
    changes: dict[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    verdict: Verdict = "tuned"
    dense: bool = True

    def values(self) -> dict[str, Any]:
        """Return what the configuration is made from, token ids and vocabulary aside."""
        common = {name: value for name, value in SIZES.items() if name not in self.without}
        return common | self.changes


def _dense(*names: str) -> list[Family]:
    return [Family(name, name) for name in names]


FAMILIES = [
    *_dense("llama", "qwen2", "qwen3", "gemma", "phi", "phi3", "olmo", "olmo2", "granite", "smollm3", "glm", "glm4"),
    *_dense("stablelm", "starcoder2", "nemotron", "helium", "arcee", "seed_oss", "ernie4_5", "hunyuan_v1_dense"),
    *_dense("apertus", "ministral3", "persimmon", "internlm3"),
    Family(
        "llama-rope-llama3",
        "llama",
        {
            "rope_parameters": {
                "rope_type": "llama3",
                "rope_theta": 10000.0,
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 32,
            }
        },
    ),
    Family(
        "llama-rope-yarn",
        "llama",
        {
            "rope_parameters": {
                "rope_type": "yarn",
                "rope_theta": 10000.0,
                "factor": 4.0,
                "original_max_position_embeddings": 64,
            }
        },
    ),
    Family("llama-tied", "llama", {"tie_word_embeddings": True}),
    Family("mistral", "mistral", {"sliding_window": 16}),
    Family("gemma2", "gemma2", {**WINDOW, "query_pre_attn_scalar": 8}),
    Family("gemma3", "gemma3_text", {**WINDOW, "query_pre_attn_scalar": 8}),
    Family("gemma4", "gemma4_text", {**WINDOW, "vocab_size_per_layer_input": 512, "hidden_size_per_layer_input": 8}),
    Family("vaultgemma", "vaultgemma", {**WINDOW, "query_pre_attn_scalar": 8}),
    Family("olmo3", "olmo3", WINDOW),
    Family("cohere", "cohere"),
    Family("cohere2", "cohere2", WINDOW),
    Family("exaone4", "exaone4", WINDOW),
    Family("ministral", "ministral", WINDOW),
    Family("gpt_neox", "gpt_neox", without=("head_dim", "num_key_value_heads")),
    # Experts in one tensor: attention is tuned, experts and router are left as they are.
    Family("gpt_oss", "gpt_oss", {**WINDOW, "num_local_experts": 4}, dense=False),
    Family("mixtral", "mixtral", {"num_local_experts": 4}, dense=False),
    Family("qwen3_moe", "qwen3_moe", {**EXPERTS, "num_experts": 4}, dense=False),
    Family("olmoe", "olmoe", {"num_experts": 4, "num_experts_per_tok": 2}, dense=False),
    Family("deepseek_v3", "deepseek_v3", {**EXPERTS, **LATENT}, without=("head_dim",), dense=False),
    Family(
        "gpt2",
        "gpt2",
        {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256, "initializer_range": 0.3},
        without=tuple(SIZES),
        verdict="served",
        dense=False,
    ),
    Family("opt", "opt", {"ffn_dim": 64, "word_embed_proj_dim": 32}, without=("head_dim", "num_key_value_heads")),
    Family("bloom", "bloom", {"n_head": 4}, without=("head_dim", "num_key_value_heads"), verdict="refused"),
    Family("mamba", "mamba", {"state_size": 8}, verdict="refused", dense=False),
    Family(
        "lfm2",
        "lfm2",
        {"layer_types": ["conv", "full_attention"], "block_auto_adjust_ff_dim": False},
        verdict="refused",
        dense=False,
    ),
    Family(
        "qwen3_next",
        "qwen3_next",
        {
            **EXPERTS,
            "num_experts": 4,
            "shared_expert_intermediate_size": 32,
            "layer_types": ["linear_attention", "full_attention"],
            "linear_num_key_heads": 2,
            "linear_num_value_heads": 4,
            "linear_key_head_dim": 8,
            "linear_value_head_dim": 8,
        },
        verdict="refused",
        dense=False,
    ),
    Family(
        "llama4", "llama4_text", {"num_local_experts": 2, "intermediate_size_mlp": 64}, verdict="refused", dense=False
    ),
    Family("bert", "bert", verdict="refused", dense=False),
    Family("roberta", "roberta", verdict="refused", dense=False),
]
BY_NAME = {family.name: family for family in FAMILIES}
# Those of every run of the tests: plain, with norms of its own and soft caps, with experts. The others are slow tests.
USUAL = ("qwen3", "gemma2", "gpt_oss")


def find_families(*verdicts: Verdict) -> list[str]:
    """Return the names of the families with these verdicts."""
    return [family.name for family in FAMILIES if family.verdict in verdicts]
