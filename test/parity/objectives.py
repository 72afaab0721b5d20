"""What TRL's SFTTrainer computes for losses other than the default. Run: python objectives.py GOLDEN_FOLDER

Writes GOLDEN_FOLDER/objectives.safetensors, for tiny-llama in float32 with an adapter on all linear layers (r 4, alpha 8, A and B
seeded normals: `init.{key}` by the key of the adapter file). Two micro batches of one step, `{i}.input_ids`, `{i}.attention_mask`,
`{i}.labels`, go through SFTTrainer.compute_loss with num_items_in_batch = the targets of both. For each of `smoothed`
(label_smoothing_factor 0.1, transformers' LabelSmoother) and `dft` (loss_type "dft"): `{loss}.loss` float32 [2], one a micro
batch, and `{loss}.grad.{key}`, accumulated over both.
"""

import sys
import tempfile
from pathlib import Path

import torch
from datasets import Dataset
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer

from peft import LoraConfig, get_peft_model

torch.set_num_threads(1)
folder = Path(sys.argv[1])
words = Tokenizer(WordLevel({"<unk>": 0, "<s>": 1, "</s>": 2}, unk_token="<unk>"))
tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="</s>", pad_token="<unk>", unk_token="<unk>")
losses = {"smoothed": {"label_smoothing_factor": 0.1, "loss_type": "nll"}, "dft": {"loss_type": "dft"}}


def micro_batch(lengths, generator):
    """Rows of random ids, right-padded; the first third of each row is no target."""
    ids = torch.zeros(len(lengths), max(lengths), dtype=torch.int64)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for row, n in enumerate(lengths):
        ids[row, :n] = torch.randint(3, 256, (n,), generator=generator)
        mask[row, :n] = 1
        labels[row, n // 3 : n] = ids[row, n // 3 : n]
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


generator = torch.Generator().manual_seed(5)
batches = [micro_batch(lengths, generator) for lengths in ([24, 17, 9], [31, 12])]
targets = sum((batch["labels"][:, 1:] != -100).sum() for batch in batches)
out = {f"{i}.{key}": value for i, batch in enumerate(batches) for key, value in batch.items()}
for name, options in losses.items():
    model = AutoModelForCausalLM.from_pretrained(folder / "tiny-llama", dtype=torch.float32, device_map="cpu")
    lora = LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
    peft = get_peft_model(model, lora)
    normals = torch.Generator().manual_seed(11)
    trained = {n.replace(".default.", "."): p for n, p in peft.named_parameters() if p.requires_grad}
    for key, parameter in trained.items():
        with torch.no_grad():
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=normals))
        out[f"init.{key}"] = parameter.detach().clone()
    with tempfile.TemporaryDirectory() as results:
        args = SFTConfig(
            output_dir=results,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            report_to="none",
            **options,
        )
        rows = Dataset.from_list([{"input_ids": [3, 4, 5], "labels": [3, 4, 5]}])
        trainer = SFTTrainer(model=peft, args=args, train_dataset=rows, processing_class=tokenizer)
    values = []
    for batch in batches:
        loss = trainer.compute_loss(peft, dict(batch), num_items_in_batch=targets)
        loss.backward()
        values.append(loss.detach().reshape(()))
    out[f"{name}.loss"] = torch.stack(values)
    out |= {f"{name}.grad.{key}": parameter.grad.clone() for key, parameter in trained.items()}
    print(name, values, "targets", int(targets))
save_file({key: value.contiguous() for key, value in out.items()}, folder / "objectives.safetensors")
