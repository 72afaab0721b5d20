"""The peer of parity.mjs: transformers + peft + bitsandbytes on the same checkpoint, adapter and batches.
usage: parity_peer.py make FOLDER [--layers 2] [--hidden 4096] [--inner 14336] [--vocab 32000] [--device cuda]
           writes FOLDER/model: a Llama with random bfloat16 weights
       parity_peer.py train FOLDER [--steps 100] [--lr 1e-4] [--max-norm 0.3] [--device cuda]
           reads model, adapter and batches.json; writes FOLDER/peer: losses.json, gradients of the first step in bfloat16
           and in float32, the 4-bit weights"""

import argparse
import json
import pathlib
import time

import torch
import transformers
from safetensors.torch import save_file

parser = argparse.ArgumentParser()
parser.add_argument("what", choices=["make", "train"])
parser.add_argument("folder", type=pathlib.Path)
parser.add_argument("--device", default="cuda")
parser.add_argument("--layers", type=int, default=2)
parser.add_argument("--hidden", type=int, default=4096)
parser.add_argument("--inner", type=int, default=14336)
parser.add_argument("--vocab", type=int, default=32000)
parser.add_argument("--steps", type=int, default=100)
parser.add_argument("--lr", type=float, default=1e-4)
parser.add_argument("--max-norm", type=float, default=0.3)
arguments = parser.parse_args()
transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()
folder, device = arguments.folder, torch.device(arguments.device)


def make():
    """Heads are 128 wide, a quarter of them for keys and values; a small model has 4 heads."""
    heads = max(4, arguments.hidden // 128)
    config = transformers.LlamaConfig(
        vocab_size=arguments.vocab,
        hidden_size=arguments.hidden,
        intermediate_size=arguments.inner,
        num_hidden_layers=arguments.layers,
        num_attention_heads=heads,
        num_key_value_heads=heads // 4,
        max_position_embeddings=8192,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 500000.0},
        tie_word_embeddings=False,
    )
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with device:
        model = transformers.LlamaForCausalLM(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(1.0 if "norm" in name else 0.0, 0.02)
    model.save_pretrained(folder / "model")


def load():
    import peft

    quantization = transformers.BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder / "model",
        quantization_config=quantization,
        dtype=torch.bfloat16,
        attn_implementation="sdpa",
        device_map={"": str(device)},
    )
    model.config.use_cache = False
    model = peft.PeftModel.from_pretrained(model, folder / "adapter", is_trainable=True)
    return model.train()


def batch():
    rows = json.loads((folder / "batches.json").read_text())
    shape = (len(rows), max(map(len, rows)))
    ids, mask = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = 1
    labels = ids.masked_fill(mask == 0, -100)
    return {name: value.to(device) for name, value in dict(input_ids=ids, attention_mask=mask, labels=labels).items()}


def trainable(model):
    return {name.replace(".default.", "."): p for name, p in model.named_parameters() if p.requires_grad}


def save_gradients(model, name):
    gradients = {name: p.grad.float().cpu().contiguous() for name, p in trainable(model).items()}
    save_file(gradients, folder / "peer" / f"{name}.safetensors")


def exact_step(model, inputs):
    """One step with the same weights and everything in float32: what both roundings are measured from."""
    import bitsandbytes as bnb

    layers = [module for module in model.modules() if isinstance(module, bnb.nn.Linear4bit)]
    halves = [p for p in model.parameters() if p.dtype == torch.bfloat16]
    for parameter in halves:
        parameter.data = parameter.data.float()
    for layer in layers:
        layer.compute_dtype = layer.weight.quant_state.dtype = torch.float32
    loss = model(**inputs).loss
    loss.backward()
    save_gradients(model, "gradients-float32")
    model.zero_grad(set_to_none=True)
    for parameter in halves:
        parameter.data = parameter.data.bfloat16()
    for layer in layers:
        layer.compute_dtype = layer.weight.quant_state.dtype = torch.bfloat16
    return loss.item()


def save_weights(model):
    import bitsandbytes as bnb

    tensors = {}
    for name, module in model.named_modules():
        if isinstance(module, bnb.nn.Linear4bit):
            key = name.removeprefix("base_model.model.").replace(".base_layer", "")
            state = module.weight.quant_state
            tensors[f"{key}.codes"] = module.weight.data.view(torch.uint8).flatten()
            tensors[f"{key}.absmax"] = state.absmax.flatten()
            tensors[f"{key}.nested_absmax"] = state.state2.absmax.flatten()
            tensors[f"{key}.offset"] = state.offset.float().reshape(1)
    save_file(
        {key: value.cpu().contiguous() for key, value in tensors.items()}, folder / "peer" / "weights.safetensors"
    )


def steps(model, inputs):
    """Trains; the loss and the gradient norm of each step."""
    parameters = list(trainable(model).values())
    assert all(p.dtype == torch.float32 for p in parameters)
    optimizer = torch.optim.AdamW(parameters, lr=arguments.lr, weight_decay=0.0)
    losses, norms = [], []
    for step in range(arguments.steps):
        with torch.autocast(device.type, dtype=torch.bfloat16):
            loss = model(**inputs).loss
        loss.backward()
        if step == 0 and model.config._attn_implementation == "sdpa":
            save_gradients(model, "gradients")
        norms.append(torch.nn.utils.clip_grad_norm_(parameters, arguments.max_norm))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.detach())
    return torch.stack(losses).tolist(), torch.stack(norms).tolist()


def train():
    import bitsandbytes

    import peft

    start = time.time()
    (folder / "peer").mkdir(exist_ok=True)
    model, inputs = load(), batch()
    save_weights(model)
    exact = exact_step(model, inputs)
    start_values = [p.detach().clone() for p in trainable(model).values()]
    loaded = time.time()
    losses, norms = steps(model, inputs)
    seconds = time.time() - loaded
    # The same once more with the peer's other attention: how far two right answers drift apart.
    with torch.no_grad():
        for parameter, value in zip(trainable(model).values(), start_values, strict=True):
            parameter.copy_(value)
    model.set_attn_implementation("eager")
    eager, _ = steps(model, inputs)
    versions = {module.__name__: module.__version__ for module in (torch, transformers, peft, bitsandbytes)}
    result = dict(
        versions=versions,
        device=torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        loss_float32=exact,
        losses=losses,
        losses_eager=eager,
        norms=norms,
        load_s=round(loaded - start, 1),
        train_s=round(seconds, 1),
    )
    (folder / "peer" / "losses.json").write_text(json.dumps(result))


make() if arguments.what == "make" else train()
