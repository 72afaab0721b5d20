"""The peers: QLoRA steps of a random-weight Llama-3-8B with transformers + peft + bitsandbytes, or with Unsloth; one line of JSON.
usage: peer.py hf|unsloth tutorial|all-linear|ctx:<S> [--steps 12] [--layers 32] [--model FOLDER]   (Unsloth loads FOLDER)"""

import argparse
import json
import os
import pathlib
import time

parser = argparse.ArgumentParser()
parser.add_argument("peer", choices=["hf", "unsloth"])
parser.add_argument("workload")
parser.add_argument("--steps", type=int, default=12)
parser.add_argument("--layers", type=int, default=32)
parser.add_argument("--model")
arguments = parser.parse_args()
workload = arguments.workload
tutorial = workload == "tutorial"
sequence = int(workload.split(":")[1]) if workload.startswith("ctx:") else 2048
versions = {}

if arguments.peer == "unsloth":
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", UNSLOTH_DISABLE_STATISTICS="1")
    import unsloth
    from unsloth import FastLanguageModel

    versions["unsloth"] = unsloth.__version__

import bitsandbytes as bnb  # noqa: E402  (Unsloth wants to be first)
import torch  # noqa: E402
import transformers  # noqa: E402

import peft  # noqa: E402

versions.update(
    torch=torch.__version__, transformers=transformers.__version__, peft=peft.__version__, bitsandbytes=bnb.__version__
)
ALL_LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
if tutorial:
    lora = dict(r=64, lora_alpha=16, lora_dropout=0.1, target_modules=["q_proj", "v_proj"])
else:
    lora = dict(r=32, lora_alpha=32, lora_dropout=0.0, target_modules=ALL_LINEAR)


def hf_model():
    """Built on the GPU, then quantized layer by layer; checkpointing as transformers' Trainer turns it on."""
    config = transformers.LlamaConfig(
        vocab_size=128256,
        hidden_size=4096,
        intermediate_size=14336,
        num_hidden_layers=arguments.layers,
        num_attention_heads=32,
        num_key_value_heads=8,
        max_position_embeddings=131072,
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
    )
    config.rope_theta = 500000.0
    config._attn_implementation = "sdpa"
    config.use_cache = False
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        model = transformers.LlamaForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    kind = dict(quant_type="nf4", compress_statistics=False)
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, torch.nn.Linear) and name != "lm_head":
                layer = bnb.nn.Linear4bit(
                    child.in_features,
                    child.out_features,
                    bias=False,
                    compute_dtype=torch.bfloat16,
                    device="meta",
                    **kind,
                )
                weight = bnb.nn.Params4bit(child.weight.data, requires_grad=False, module=layer, **kind)
                layer.weight = weight.to("cuda")
                setattr(module, name, layer)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    torch.cuda.empty_cache()
    model.is_loaded_in_4bit = model.is_quantized = True
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model.enable_input_require_grads()
    model = peft.get_peft_model(model, peft.LoraConfig(bias="none", task_type="CAUSAL_LM", **lora))
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.float()
    return model


def unsloth_model():
    model, _ = FastLanguageModel.from_pretrained(
        arguments.model, max_seq_length=sequence, dtype=torch.bfloat16, load_in_4bit=True
    )
    return FastLanguageModel.get_peft_model(
        model, bias="none", use_gradient_checkpointing="unsloth", random_state=0, max_seq_length=sequence, **lora
    )


def windows():
    """The micro batches of each step: ids, mask or None, real tokens."""
    lengths = json.loads(pathlib.Path(__file__).with_name("tutorial-lengths.json").read_text())
    batch, accumulation = (1, 1) if workload.startswith("ctx:") else (2, 4)
    step = 0
    while True:
        if tutorial:
            rows = lengths[step % len(lengths)]
            mask = torch.zeros(len(rows), max(rows), dtype=torch.long)
            for row, length in enumerate(rows):
                mask[row, :length] = 1
            yield [(torch.randint(0, 128000, mask.shape), mask, sum(rows))]
        else:
            shape = (batch, sequence)
            yield [(torch.randint(0, 128000, shape), None, batch * sequence) for _ in range(accumulation)]
        step += 1


torch.manual_seed(0)
model = hf_model() if arguments.peer == "hf" else unsloth_model()
model.train()
parameters = [p for p in model.parameters() if p.requires_grad]
optimizer = bnb.optim.PagedAdamW32bit(parameters, lr=2e-4, weight_decay=0.001)
torch.cuda.synchronize()
resident = torch.cuda.memory_allocated()
torch.cuda.reset_peak_memory_stats()
times, tokens, loss_value = [], [], 0.0
steps = windows()
for _ in range(arguments.steps):
    window = next(steps)
    torch.cuda.synchronize()
    start = time.time()
    for ids, mask, _ in window:
        ids = ids.cuda()
        labels = ids.clone()
        if mask is not None:
            mask = mask.cuda()
            labels[mask == 0] = -100
        with torch.autocast("cuda", dtype=torch.bfloat16):
            loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss / len(window)
        loss.backward()
        loss_value = loss.item() * len(window)
    torch.nn.utils.clip_grad_norm_(parameters, 0.3)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    torch.cuda.synchronize()
    times.append(time.time() - start)
    tokens.append(sum(n for _, _, n in window))
warm = max(2, arguments.steps // 4)
gib = lambda n: round(n / 2**30, 2)  # noqa: E731
print(
    json.dumps(
        dict(
            engine="HF + peft + bitsandbytes" if arguments.peer == "hf" else "Unsloth",
            gpu=torch.cuda.get_device_name(),
            workload=workload,
            layers=arguments.layers,
            **versions,
            tok_s=round(sum(tokens[warm:]) / sum(times[warm:])),
            mean_tokens=round(sum(tokens[warm:]) / len(tokens[warm:])),
            times_ms=[round(t * 1e3) for t in times],
            peak_gib=gib(torch.cuda.max_memory_allocated()),
            reserved_gib=gib(torch.cuda.max_memory_reserved()),
            resident_gib=gib(resident),
            loss=round(loss_value, 4),
        )
    )
)
