"""What transformers and PEFT compute for the tiny models of the families beside Llama. Run: python families.py GOLDEN_FOLDER

Writes GOLDEN_FOLDER/families.safetensors. For each model, plain (`f32`) and quantized while loading (`nf4`,
float32 compute; no double quantization, whose mean of the maxima is summed in another order): `{model}.{kind}.logits`, `.loss` of the inputs in tiny_forward.safetensors, `.greedy` = 24 tokens greedily
continued with the cache from the first 6 of the first row, `.margin` = the smallest difference between the two best logits on
the way. Then for an adapter on all linear layers (r 4, alpha 8, A and B seeded normals): `.lora.loss`, and
`.lora.init.{key}`, `.lora.grad.{key}` by the key of the adapter file.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from peft import LoraConfig, get_peft_model

models = ["tiny-mistral-swa", "tiny-qwen2"]
nf4 = BitsAndBytesConfig(
    load_in_4bit=True,
    bnb_4bit_quant_type="nf4",
    bnb_4bit_compute_dtype=torch.float32,
)
folder = Path(sys.argv[1])
inputs = load_file(folder / "tiny_forward.safetensors")
out = {}


def load(name, kind):
    options = {"quantization_config": nf4} if kind == "nf4" else {}
    return AutoModelForCausalLM.from_pretrained(
        folder / name, dtype=torch.float32, device_map="cpu", attn_implementation="eager", **options
    ).eval()


for name in models:
    batch = {key: inputs[f"{name}.{key}"] for key in ("input_ids", "attention_mask", "labels")}
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
        peft = get_peft_model(model, lora)
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
        out |= {f"{name}.{kind}.{key}": value.contiguous() for key, value in record.items()}
        print(name, kind, float(loss.detach()), "margin", float(record["margin"]))
save_file(out, folder / "families.safetensors")
