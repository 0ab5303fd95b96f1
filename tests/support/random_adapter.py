"""Writes a random LoRA adapter for a base model, as a tuned model that the engine can serve."""

import json
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model

from services.engine.admission.fingerprint import take_fingerprint
from services.engine.model.load import load_base, load_tokenizer


def write_random_adapter(base: Path, folder: Path, model_id: str, base_name: str, seed: int = 0) -> Path:
    """Write the adapter, large enough to change every text, and its card; return the folder."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", init_lora_weights=False)
        tuned = get_peft_model(load_base(base, torch.float32, "cpu"), config)
        for name, weight in tuned.named_parameters():
            if "lora_" in name:
                weight.data.normal_(std=0.3)
    tuned.save_pretrained(folder, save_embedding_layers=False)
    card: dict[str, object] = {
        "id": model_id,
        "base": base_name,
        "parent": None,
        "created": 1700000000,
        "job_id": None,
        "kind": "model",
    }
    card["fingerprint"] = take_fingerprint(base, load_tokenizer(base)).to_json()
    (folder / "storymill.json").write_text(json.dumps(card), encoding="utf-8")
    return folder
