"""What bitsandbytes' LLM.int8 computes on a CPU. Run: python int8.py GOLDEN_FOLDER

Writes GOLDEN_FOLDER/int8.safetensors:
- `w` float32 [40, 48], one row zeros, and its `codes` and `maxima` (SCB);
- `x` float32 [7, 48] with outliers in three columns, `bias` [40], `dy` [7, 40]; for each dtype d of f32, bf16, f16 what Linear8bitLt
  makes of x in d: `y.{d}` (threshold 6), `y0.{d}` (threshold 0), both in evaluation, `y_train.{d}` and `dx.{d}` in training;
- tiny-llama loaded by transformers with load_in_8bit, threshold 2, in float32: `input_ids` [2, 24], the logits of the last 4 tokens in evaluation `logits`;
  and with an adapter on q_proj and down_proj (r 2, alpha 4, `init.{key}`) in training `loss` and `grad.{key}`.
"""

import sys
from pathlib import Path

import bitsandbytes as bnb
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from peft import LoraConfig, get_peft_model

torch.set_num_threads(1)
folder = Path(sys.argv[1])
normals = torch.Generator().manual_seed(17)


def normal(*shape):
    return torch.randn(shape, generator=normals)


w, x, bias, dy = normal(40, 48) * 0.1, normal(7, 48), normal(40), normal(7, 40)
w[5] = 0
w[6, 7] = 3.5
x[1, 3], x[4, 3], x[2, 20], x[6, 47] = 9.0, -7.5, 6.5, -30.0
x[3] = 0
codes, maxima, _ = bnb.functional.int8_vectorwise_quant(w.to(torch.float16))
out = {"w": w, "x": x, "bias": bias, "dy": dy, "codes": codes, "maxima": maxima}


def layer(threshold, training):
    module = bnb.nn.Linear8bitLt(48, 40, bias=True, has_fp16_weights=False, threshold=threshold)
    module.weight = bnb.nn.Int8Params(w.clone(), requires_grad=False, has_fp16_weights=False)
    module.bias.data = bias.clone()
    return module.to("cpu").train(training)


for name, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16), ("f16", torch.float16)):
    with torch.no_grad():
        out[f"y.{name}"] = layer(6.0, False)(x.to(dtype))
        out[f"y0.{name}"] = layer(0.0, False)(x.to(dtype))
    given = x.to(dtype, copy=True).requires_grad_()
    y = layer(6.0, True)(given)
    y.backward(dy.to(dtype))
    out[f"y_train.{name}"], out[f"dx.{name}"] = y.detach(), given.grad

quantization = BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=2.0)
model = AutoModelForCausalLM.from_pretrained(
    folder / "tiny-llama", quantization_config=quantization, dtype=torch.float32, device_map="cpu"
)
ids = torch.randint(3, 256, (2, 24), generator=normals)
out["input_ids"] = ids
with torch.no_grad():
    out["logits"] = model.eval()(ids).logits[:, -4:]
targets = ["q_proj", "down_proj"]
lora = LoraConfig(r=2, lora_alpha=4, lora_dropout=0.0, target_modules=targets, task_type="CAUSAL_LM")
peft = get_peft_model(model, lora).train()
trained = {n.replace(".default.", "."): p for n, p in peft.named_parameters() if p.requires_grad}
for key, parameter in trained.items():
    with torch.no_grad():
        parameter.copy_(0.1 * normal(*parameter.shape))
    out[f"init.{key}"] = parameter.detach().clone()
loss = peft(ids, labels=ids).loss
loss.backward()
out["loss"] = loss.detach().reshape(1)
out |= {f"grad.{key}": parameter.grad.clone() for key, parameter in trained.items()}
save_file({key: value.contiguous() for key, value in out.items()}, folder / "int8.safetensors")
print(type(model.model.layers[0].self_attn.q_proj), float(loss), (codes.abs().max(), maxima[5], codes[5].unique()))
