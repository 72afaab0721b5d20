"""Makes GOLDEN_FOLDER/tiny-qwen3-fp8 from tiny-qwen3: linear weights in E4M3 with a scale a block of 16 x 16, as Qwen3-FP8 and DeepSeek have
them in blocks of 128, o_proj with one scale for all. expected.safetensors has what transformers computes with the weights that its Fp8Dequantize makes: logits for
tiny-qwen3's inputs, and the weights of layer 0. Run: python fp8.py GOLDEN_FOLDER
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM
from transformers.integrations.finegrained_fp8 import Fp8Dequantize

golden = Path(sys.argv[1])
source, folder = golden / "tiny-qwen3", golden / "tiny-qwen3-fp8"
folder.mkdir(exist_ok=True)
block = 16
tensors = {}
for key, value in load_file(source / "model.safetensors").items():
    if not key.endswith("_proj.weight"):
        tensors[key] = value
        continue
    size = value.shape if "o_proj" in key else (block, block)
    grid = [n // b for n, b in zip(value.shape, size, strict=True)]
    blocks = value.float().reshape(grid[0], size[0], grid[1], size[1])
    scale = blocks.abs().amax(dim=(1, 3)) / 448
    tensors[key] = (blocks / scale[:, None, :, None]).reshape(value.shape).to(torch.float8_e4m3fn)
    tensors[f"{key}_scale_inv"] = scale
save_file(tensors, folder / "model.safetensors", {"format": "pt"})
config = json.loads((source / "config.json").read_text())
config["quantization_config"] = {
    "activation_scheme": "dynamic",
    "quant_method": "fp8",
    "weight_block_size": [block, block],
}
(folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")

dequantizer = Fp8Dequantize(None)
full = {
    key: dequantizer._dequantize_one(value, tensors[f"{key}_scale_inv"], torch.float32)
    if f"{key}_scale_inv" in tensors
    else value
    for key, value in tensors.items()
    if not key.endswith("_scale_inv")
}
model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, attn_implementation="eager").eval()
model.load_state_dict(full)
expected = load_file(source / "expected.safetensors")
with torch.no_grad():
    logits = model(input_ids=expected["input_ids"], attention_mask=expected["attention_mask"]).logits
weights = {
    key: value.detach().float() for key, value in model.named_parameters() if "layers.0." in key and "_proj" in key
}
save_file({"logits": logits.contiguous(), **weights}, folder / "expected.safetensors")
