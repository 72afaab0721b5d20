"""Logits of weighted sums of adapters, by PEFT. Run: python peft_weighted.py JSON

JSON: {"base", "adapters": {name: folder}, "cases": [{"name", "adapters", "weights", "options"}], "input_ids", "output": FILE}.
Writes the logits of each sum as float32 under its name.
"""

import json
import sys

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from peft import PeftModel

request = json.loads(sys.argv[1])
base = AutoModelForCausalLM.from_pretrained(request["base"], dtype=torch.float32, device_map="cpu")
(first, folder), *others = request["adapters"].items()
model = PeftModel.from_pretrained(base, folder, adapter_name=first)
for name, folder in others:
    model.load_adapter(folder, adapter_name=name)
logits = {}
with torch.no_grad():
    for case in request["cases"]:
        model.add_weighted_adapter(case["adapters"], case["weights"], case["name"], **case["options"])
        model.set_adapter(case["name"])
        model.eval()
        logits[case["name"]] = model(input_ids=torch.tensor(request["input_ids"])).logits.float().contiguous()
save_file(logits, request["output"])
print("{}")
