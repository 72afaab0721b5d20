"""Logits of bases with adapters, by transformers, bitsandbytes and PEFT. Run: python peft_logits.py JSON

JSON: {"cases": [{"name", "base", "adapter" or null, "input_ids", "attention_mask"}], "output": FILE}.
Writes each case's logits as float32 under its name into the safetensors file; prints {"config_keys": PEFT's own keys,
"warnings": what PEFT said}. A case without an adapter gives the base's logits.
"""

import json
import sys
import warnings

import bnb_reference  # noqa: F401
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from peft import LoraConfig, PeftModel

request = json.loads(sys.argv[1])
logits = {}
with warnings.catch_warnings(record=True) as caught, torch.no_grad():
    warnings.simplefilter("always")
    for case in request["cases"]:
        model = AutoModelForCausalLM.from_pretrained(case["base"], dtype=torch.float32, device_map="cpu")
        if case["adapter"] is not None:
            model = PeftModel.from_pretrained(model, case["adapter"])
        model.eval()
        out = model(
            input_ids=torch.tensor(case["input_ids"]),
            attention_mask=torch.tensor(case["attention_mask"]),
        )
        logits[case["name"]] = out.logits.float().contiguous()
save_file(logits, request["output"])
keys = set(LoraConfig(task_type="CAUSAL_LM").to_dict()) - {"runtime_config"}
peft_says = [str(w.message) for w in caught if "peft" in w.filename]
print(json.dumps({"config_keys": sorted(keys), "warnings": peft_says}))
