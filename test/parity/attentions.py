"""Attention weights of transformers. Run: python attentions.py '{"folders": [...], "input_ids": [[...]], "attention_mask": [[...]]}'

Prints for each folder a list a layer: [rows][heads][queries][keys], float32, attn_implementation "eager".
"""

import json
import sys

import torch
from transformers import AutoModelForCausalLM

asked = json.loads(sys.argv[1])
found = []
for folder in asked["folders"]:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.no_grad():
        out = model(
            input_ids=torch.tensor(asked["input_ids"]),
            attention_mask=torch.tensor(asked["attention_mask"]),
            output_attentions=True,
        )
    found.append([layer.tolist() for layer in out.attentions])
print(json.dumps(found))
