"""What TRL's preference trainers do step by step. Run: python preference.py GOLDEN_FOLDER

Writes GOLDEN_FOLDER/preference/: a byte-level tokenizer; `adapter/`, LoRA on q_proj and v_proj (r 4, alpha 8) with A and B seeded
normals, as PEFT saves it; the rows, `data.json`; and `runs.json`. Each run trains tiny-llama in float32 for 20 steps of 2 micro batches of 2 rows, in order,
and holds the rows given (`rows`, a name in data.json), the settings (`args`), the token ids that TRL made of the first and last rows, the
number of rows left, and what it logged at each step (`steps`). `given`: the adapter was on the model before the trainer came, so that
the reference is its copy; else the reference is the base model.
"""

import json
import sys
import tempfile
from pathlib import Path

import torch
from datasets import Dataset
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

from peft import LoraConfig, PeftModel, get_peft_model

torch.set_num_threads(1)
folder = Path(sys.argv[1])
out = folder / "preference"
out.mkdir(exist_ok=True)

TEMPLATE = (
    "{% for m in messages %}{{ '<s>' + m['role'] + ': ' + m['content'] + '</s>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<s>assistant: ' }}{% endif %}"
)
COLORS = ["red", "green", "blue", "grey", "pink", "brown"]
THINGS = ["sky", "sea", "leaf", "stone"]


def pairs():
    """Two dozen questions, each with a long and a short answer; some are longer than the limit."""
    for i in range(24):
        color, thing = COLORS[i % 6], THINGS[i % 4]
        prompt = f"Question {i}: what color has the {thing}?" + " Think well." * (6 if i == 5 else i % 3)
        good = f" The {thing} is {color}" + f", and so is the {THINGS[(i + 1) % 4]}" * (i % 5) + "."
        bad = f" I do not know {'at all ' * (i % 4)}what a {thing} is."
        yield prompt, good, bad


def turn(role, content):
    return {"role": role, "content": content}


def chat(i, prompt):
    system = [turn("system", "Be brief.")] if i % 3 == 0 else []
    return [*system, turn("user", prompt)]


data = {
    "text": [{"prompt": p, "chosen": c, "rejected": r} for p, c, r in pairs()],
    "implicit": [{"chosen": p + c, "rejected": p + r} for p, c, r in pairs()],
    "chat": [
        {"prompt": chat(i, p), "chosen": [turn("assistant", c)], "rejected": [turn("assistant", r)]}
        for i, (p, c, r) in enumerate(pairs())
    ],
    "implicit_chat": [
        {"chosen": [*chat(i, p), turn("assistant", c)], "rejected": [*chat(i, p), turn("assistant", r)]}
        for i, (p, c, r) in enumerate(pairs())
    ],
    "unpaired": [
        {"prompt": p, "completion": c if i % 3 else r, "label": i % 3 != 0} for i, (p, c, r) in enumerate(pairs())
    ],
    "unpaired_chat": [
        {"prompt": chat(i, p), "completion": [turn("assistant", c if i % 3 else r)], "label": i % 3 != 0}
        for i, (p, c, r) in enumerate(pairs())
    ],
}


def make_tokenizer():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<unk>", "<s>", "</s>"]
    trainer = trainers.BpeTrainer(
        vocab_size=360, special_tokens=special, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())
    )
    tokenizer.train_from_iterator([text for row in pairs() for text in row], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 1)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<unk>"
    )
    fast.chat_template = TEMPLATE
    fast.save_pretrained(out, save_jinja_files=False)


LORA = {"r": 4, "lora_alpha": 8, "lora_dropout": 0.1, "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM"}


def base_model():
    return AutoModelForCausalLM.from_pretrained(folder / "tiny-llama", dtype=torch.float32, device_map="cpu")


def make_adapter():
    model = get_peft_model(base_model(), LoraConfig(**LORA))
    normals = torch.Generator().manual_seed(13)
    for parameter in model.parameters():
        if parameter.requires_grad:
            with torch.no_grad():
                parameter.copy_(0.1 * torch.randn(parameter.shape, generator=normals))
    model.save_pretrained(out / "adapter")


def start(trainer):
    """Gives a fresh adapter the saved start."""
    from safetensors.torch import load_file

    saved = load_file(out / "adapter" / "adapter_model.safetensors")
    for name, parameter in trainer.model.named_parameters():
        if parameter.requires_grad:
            with torch.no_grad():
                parameter.copy_(saved[name.replace(".default.", ".")])


def run(trainer_class, config_class, rows, given=False, evaluate=False, **settings):
    tokenizer = AutoTokenizer.from_pretrained(out)
    base = base_model()
    model = PeftModel.from_pretrained(base, out / "adapter", is_trainable=True) if given else base
    with tempfile.TemporaryDirectory() as results:
        args = config_class(
            output_dir=results,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
            logging_steps=1,
            max_steps=20,
            per_device_train_batch_size=2,
            per_device_eval_batch_size=3,
            gradient_accumulation_steps=2,
            learning_rate=2e-3,
            train_sampling_strategy="sequential",
            **settings,
        )
        trainer = trainer_class(
            model=model,
            args=args,
            train_dataset=Dataset.from_list(data[rows]),
            eval_dataset=Dataset.from_list(data[rows][:8]) if evaluate else None,
            processing_class=tokenizer,
            peft_config=None if given else LoraConfig(**LORA),
        )
        if not given:
            start(trainer)
        trainer.train()
        if evaluate:
            trainer.evaluate()
        made = trainer.train_dataset
        ids = {k: [made[k][0], made[k][-1]] for k in made.column_names if k.endswith("ids")}
        ids |= {k: [made[k][0], made[k][-1]] for k in made.column_names if k.endswith("_labels")}
        logs = trainer.state.log_history
    drop = ("epoch", "step", "_runtime", "_second", "learning_rate", "logits/chosen", "logits/rejected")
    keep = [{k: v for k, v in row.items() if not k.endswith(drop)} for row in logs]
    return {
        "rows": rows,
        "given": given,
        "args": settings,
        "left": len(made),
        "ids": ids,
        "steps": [row for row in keep if "loss" in row],
        "eval": next((row for row in keep if "eval_loss" in row), None),
    }


def dpo(rows="text", **settings):
    return run(DPOTrainer, DPOConfig, rows, **settings)


def orpo(rows="text", **settings):
    return run(ORPOTrainer, ORPOConfig, rows, **settings)


def kto(rows="unpaired", **settings):
    return run(KTOTrainer, KTOConfig, rows, **settings)


make_tokenizer()
make_adapter()
runs = {
    "dpo sigmoid": dpo(evaluate=True, max_length=24),
    "dpo hinge": dpo("implicit", loss_type="hinge"),
    "dpo ipo": dpo("chat", loss_type="ipo", max_length=56),
    "dpo robust": dpo("implicit_chat", loss_type="robust", label_smoothing=0.2),
    "dpo given adapter": dpo(given=True),
    "dpo precomputed": dpo(precompute_ref_log_probs=True, max_length=16, truncation_mode="keep_end"),
    "dpo several": dpo(loss_type=["sigmoid", "sft", "apo_zero"], loss_weights=[0.8, 1.0, 0.5]),
    "dpo apo_down": dpo(loss_type=["apo_down", "sigmoid_norm"]),
    "orpo": orpo(evaluate=True, max_length=32),
    "orpo chat": orpo("implicit_chat", beta=0.5),
    "kto": kto(evaluate=True, max_length=24),
    "kto chat": kto("unpaired_chat", desirable_weight=1.5, undesirable_weight=0.5, beta=0.3),
    "kto given adapter": kto("implicit", given=True, precompute_ref_log_probs=True),
    "kto apo_zero_unpaired": kto(loss_type="apo_zero_unpaired"),
}


def rounded(value):
    """Seven digits: what float32 holds."""
    if isinstance(value, float):
        return float(f"{value:.7g}")
    if isinstance(value, dict):
        return {key: rounded(v) for key, v in value.items()}
    return [rounded(v) for v in value] if isinstance(value, list) else value


for name, content in (("data.json", data), ("runs.json", rounded(runs))):
    (out / name).write_text(json.dumps(content, separators=(",", ":")) + "\n")
print({name: run["steps"][-1]["loss"] for name, run in runs.items()})
