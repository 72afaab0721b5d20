"""Embeddings that train, as PEFT does it. Run: python new_tokens.py GOLDEN_FOLDER

For each case: a tiny model in float32, an adapter on q_proj (r 2, alpha 4) and the embedding trained in full or by rows; everything that
trains gets seeded values. Writes
- GOLDEN_FOLDER/new_tokens/{case}/: the adapter as PEFT saves it;
- GOLDEN_FOLDER/new_tokens/values.safetensors: `{case}.input_ids`, `{case}.loss`, `{case}.logits` of the last 3 tokens, `{case}.grad.{key}`.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from peft import LoraConfig, get_peft_model, get_peft_model_state_dict

torch.set_num_threads(1)
folder = Path(sys.argv[1])
out_folder = folder / "new_tokens"
shutil.rmtree(out_folder, ignore_errors=True)
normals = torch.Generator().manual_seed(23)
rows = [3, 5, 40, 17]
CASES = {
    "full": ("tiny-llama-rope3", dict(modules_to_save=["embed_tokens", "lm_head"])),
    "full_tied": ("tiny-gemma", dict(modules_to_save=["embed_tokens"])),
    "rows": ("tiny-llama-rope3", dict(trainable_token_indices=rows)),
    "rows_tied": ("tiny-gemma", dict(trainable_token_indices={"embed_tokens": rows})),
    "resized": ("tiny-llama-rope3", dict()),
}
out = {}
for case, (name, options) in CASES.items():
    model = AutoModelForCausalLM.from_pretrained(folder / name, dtype=torch.float32)
    vocab = model.config.vocab_size
    if case == "resized":
        model.resize_token_embeddings(vocab + 3)
        for table in (model.get_input_embeddings(), model.get_output_embeddings()):
            with torch.no_grad():
                table.weight[vocab:] = 0.1 * torch.randn(3, table.weight.shape[1], generator=normals)
        vocab += 3
    peft = get_peft_model(
        model, LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj"], task_type="CAUSAL_LM", **options)
    )
    trained = {n: p for n, p in peft.named_parameters() if p.requires_grad}
    for parameter in trained.values():
        with torch.no_grad():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=normals))
    ids = torch.randint(3, vocab, (2, 16), generator=normals)
    ids[0, :4] = torch.tensor(rows)
    ids[1, 9:13] = torch.tensor([5, 5, 40, vocab - 1])
    result = peft.train()(ids, labels=ids)
    result.loss.backward()
    out[f"{case}.input_ids"], out[f"{case}.loss"] = ids, result.loss.detach().reshape(1)
    out[f"{case}.logits"] = result.logits[:, -3:].detach()
    short = {id(p): n for n, p in get_peft_model_state_dict(peft, state_dict=dict(peft.named_parameters())).items()}
    out |= {f"{case}.grad.{short[id(p)]}": p.grad.clone() for p in trained.values()}
    peft.save_pretrained(out_folder / case)
    (out_folder / case / "README.md").unlink()
    config = out_folder / case / "adapter_config.json"
    # No path of a machine, and the order of a set.
    fields = json.loads(config.read_text()) | {"base_model_name_or_path": name}
    config.write_text(json.dumps(fields, indent=2, sort_keys=True))
save_file({key: value.contiguous() for key, value in out.items()}, out_folder / "values.safetensors")
for key, value in out.items():
    print(key, tuple(value.shape))
for case in CASES:
    from safetensors import safe_open

    with safe_open(out_folder / case / "adapter_model.safetensors", "pt") as file:
        print(case, {key: file.get_slice(key).get_shape() for key in file.keys()})
