"""What transformers says of a model and tokenizer in a GGUF file. Run: python smollm2.py JSON

JSON: {"dir", "gguf_file", "texts", "chats", "prompt": index of a chat, "new_tokens", "output": FILE}.
Writes `logits` [T, vocab] of the prompt and `margins` [new_tokens] between the two best logits into the safetensors file.
Prints {"ids": of texts, "chats": rendered with generation prompt, "prompt_ids", "sequence": greedy, prompt included,
"special": names and ids of special tokens}.
"""

import json
import sys

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

request = json.loads(sys.argv[1])
where = {"pretrained_model_name_or_path": request["dir"], "gguf_file": request["gguf_file"]}
tokenizer = AutoTokenizer.from_pretrained(**where)
chats = [tokenizer.apply_chat_template(c, tokenize=False, add_generation_prompt=True) for c in request["chats"]]
prompt_ids = tokenizer(chats[request["prompt"]], add_special_tokens=False).input_ids

# transformers dequantizes every GGUF tensor to float32.
model = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32).eval()
prompt = torch.tensor([prompt_ids])
with torch.no_grad():
    logits = model(input_ids=prompt).logits[0]
    answer = model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        do_sample=False,
        max_new_tokens=request["new_tokens"],
        output_logits=True,
        return_dict_in_generate=True,
    )
best = torch.cat(answer.logits).topk(2).values
save_file({"logits": logits.contiguous(), "margins": (best[:, 0] - best[:, 1]).contiguous()}, request["output"])
print(
    json.dumps(
        {
            "ids": tokenizer(request["texts"]).input_ids,
            "chats": chats,
            "prompt_ids": prompt_ids,
            "sequence": answer.sequences[0].tolist(),
            "special": {
                name: [getattr(tokenizer, name), getattr(tokenizer, f"{name}_id")]
                for name in ("bos_token", "eos_token", "unk_token", "pad_token")
            },
        }
    )
)
