"""What transformers and PEFT compute for the tiny models of the families beside Llama. Run: python families.py GOLDEN_FOLDER [MODEL ...]

Without names: writes GOLDEN_FOLDER/families.safetensors for tiny-mistral-swa and tiny-qwen2. With names of `made`: makes each
model, random values in bfloat16, in GOLDEN_FOLDER/MODEL, with what is expected of it, and the inputs, in expected.safetensors there. For each model, plain (`f32`) and quantized while loading (`nf4`,
float32 compute; no double quantization, whose mean of the maxima is summed in another order): `{model}.{kind}.logits`, `.loss` of the inputs in tiny_forward.safetensors, `.greedy` = 24 tokens greedily
continued with the cache from the first 6 of the first row, `.margin` = the smallest difference between the two best logits on
the way. Then for an adapter on all linear layers (r 4, alpha 8, A and B seeded normals): `.lora.loss`, and
`.lora.init.{key}` (of made models only for `f32`: `nf4` has the same), `.lora.grad.{key}` by the key of the adapter file.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig

from peft import LoraConfig, get_peft_model

models = ["tiny-mistral-swa", "tiny-qwen2"]
nf4 = BitsAndBytesConfig(
    load_in_4bit=True,
    bnb_4bit_quant_type="nf4",
    bnb_4bit_compute_dtype=torch.float32,
)
folder = Path(sys.argv[1])
sizes = {
    "vocab_size": 128,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
alternating = ["sliding_attention", "full_attention"]
yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8, "beta_fast": 32.0, "beta_slow": 1.0}
# By model: its model_type, and fields that are not those of `sizes`.
made = {
    "tiny-qwen3": ("qwen3", {"head_dim": 16, "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0}}),
    "tiny-smollm3": ("smollm3", {"no_rope_layers": [1, 0], "num_key_value_heads": 2, "tie_word_embeddings": False}),
    "tiny-granite": (
        "granite",
        {"embedding_multiplier": 3.0, "logits_scaling": 5.0, "residual_multiplier": 0.7, "attention_multiplier": 0.2},
    ),
    "tiny-olmo2": ("olmo2", {}),
    "tiny-olmo3": (
        "olmo3",
        {
            "sliding_window": 5,
            "layer_types": alternating,
            "rope_parameters": {
                "sliding_attention": {"rope_type": "default", "rope_theta": 500000.0},
                "full_attention": {"rope_theta": 500000.0, **yarn},
            },
        },
    ),
    # Rows and texts go over the length at which the long factors begin.
    "tiny-phi3": (
        "phi3",
        {
            "original_max_position_embeddings": 10,
            "sliding_window": 12,
            "rope_parameters": {
                "rope_type": "longrope",
                "rope_theta": 10000.0,
                "partial_rotary_factor": 0.75,
                "short_factor": [1.0, 1.1, 1.3],
                "long_factor": [1.5, 2.5, 4.0],
            },
        },
    ),
    "tiny-gemma": ("gemma", {"head_dim": 16, "num_key_value_heads": 1}),
    "tiny-gemma2": (
        "gemma2",
        {
            "head_dim": 16,
            "sliding_window": 5,
            "query_pre_attn_scalar": 24,
            "attn_logit_softcapping": 2.0,
            "final_logit_softcapping": 5.0,
        },
    ),
    "tiny-gemma3": (
        "gemma3_text",
        {
            "head_dim": 16,
            "sliding_window": 5,
            "query_pre_attn_scalar": 24,
            "layer_types": alternating,
            "rope_parameters": {
                "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
                "full_attention": {"rope_type": "linear", "rope_theta": 1000000.0, "factor": 8.0},
            },
        },
    ),
    "tiny-ministral3": (
        "ministral3",
        {
            "head_dim": 16,
            "rope_parameters": {
                **yarn,
                "rope_theta": 1000000.0,
                "mscale": 1.0,
                "mscale_all_dim": 0.5,
                "llama_4_scaling_beta": 0.1,
            },
        },
    ),
    # No family of its own: a scaling that follows the length.
    "tiny-llama-dynamic": (
        "llama",
        {
            "max_position_embeddings": 8,
            "rope_parameters": {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 3.0},
        },
    ),
}


def make(name, seed=3):
    """Saves a random model, norms around 1; returns its inputs: 2 rows, the second padded on the right."""
    model_type, fields = made[name]
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(model_type, **{**sizes, **fields}))
    with torch.no_grad():
        for key, value in model.named_parameters():
            if "norm" in key:
                value.add_(0.3 * torch.randn(value.shape))
    model.to(torch.bfloat16).save_pretrained(folder / name)
    ids = torch.randint(3, sizes["vocab_size"], (2, 14))
    mask = torch.ones_like(ids)
    ids[1, 9:] = 0
    mask[1, 9:] = 0
    return {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(mask == 0, -100)}


def load(name, kind):
    options = {"quantization_config": nf4} if kind == "nf4" else {}
    return AutoModelForCausalLM.from_pretrained(
        folder / name, dtype=torch.float32, device_map="cpu", attn_implementation="eager", **options
    ).eval()


def expected(name, batch):
    """By `{kind}.{key}`."""
    out = {}
    prompt = batch["input_ids"][:1, :6]
    for kind in ("f32", "nf4"):
        model = load(name, kind)
        with torch.no_grad():
            result = model(**batch)
            text = model.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=24,
                do_sample=False,
                eos_token_id=None,
                pad_token_id=0,
                output_logits=True,
                return_dict_in_generate=True,
            )
        best = torch.cat(text.logits).topk(2).values
        record = {
            "logits": result.logits.float(),
            "loss": result.loss.reshape(1),
            "greedy": text.sequences,
            "margin": (best[:, 0] - best[:, 1]).min().reshape(1),
        }
        lora = LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
        # Anew: frequencies of 'dynamic' stay what the longest text made them.
        peft = get_peft_model(load(name, kind), lora)
        generator = torch.Generator().manual_seed(11)
        trained = {n.replace(".default.", "."): p for n, p in peft.named_parameters() if p.requires_grad}
        for key, parameter in trained.items():
            with torch.no_grad():
                parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
            record[f"lora.init.{key}"] = parameter.detach().clone()
        loss = peft(**batch).loss
        loss.backward()
        record["lora.loss"] = loss.detach().reshape(1)
        record |= {f"lora.grad.{key}": parameter.grad for key, parameter in trained.items()}
        out |= {f"{kind}.{key}": value.contiguous() for key, value in record.items()}
        print(name, kind, float(loss.detach()), "margin", float(record["margin"]))
    return out


for name in sys.argv[2:]:
    batch = make(name)
    result = {key: value for key, value in expected(name, batch).items() if not key.startswith("nf4.lora.init.")}
    save_file(batch | result, folder / name / "expected.safetensors")
if len(sys.argv) == 2:
    inputs = load_file(folder / "tiny_forward.safetensors")
    out = {}
    for name in models:
        batch = {key: inputs[f"{name}.{key}"] for key in ("input_ids", "attention_mask", "labels")}
        out |= {f"{name}.{key}": value for key, value in expected(name, batch).items()}
    save_file(out, folder / "families.safetensors")
