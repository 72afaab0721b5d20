"""Writes gguf-blocks.json: random ggml blocks and what llama.cpp's own Python package makes of them.

pip install gguf==0.19.0 numpy && python gguf-blocks.py
"""

import json
import pathlib

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

BLOCKS = 4
# Scales: usual, negative, subnormal, largest.
SCALES = np.array([0.0123, -1.75, 3e-7, 65504], np.float16)
OFFSETS = np.array([-0.098, 0.5, 6e-8, -65504], np.float16)

rng = np.random.default_rng(0)
out = {"how": "made by gguf-blocks.py; hex, little-endian: blocks -> float32 values"}
# Where the fp16 numbers of a block lie that are not at its begin.
PLACES = {"Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}
for name in ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "IQ4_NL", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"]:
    qtype = GGMLQuantizationType[name]
    blocks = rng.integers(0, 256, (BLOCKS, GGML_QUANT_SIZES[qtype][1]), np.uint8)
    for place, numbers in zip(PLACES.get(name, [0]), [SCALES, OFFSETS], strict=False):
        blocks[:, place : place + 2] = numbers.view(np.uint8).reshape(BLOCKS, 2)
    if name.endswith("_1"):
        blocks[:, 2:4] = OFFSETS.view(np.uint8).reshape(BLOCKS, 2)
    if name == "Q4_0":
        blocks[1, 2] = 0x88  # q - 8 = 0 under a negative scale: -0
    if name == "Q8_0":
        blocks[0, 2:4] = [0x80, 0x7F]
    out[name] = {"blocks": blocks.tobytes().hex(), "values": dequantize(blocks, qtype).tobytes().hex()}

halves = np.array([0, 0x8000, 1, 0x3FF, 0x400, 0x8001, 0x3C00, 0x3555, 0x7BFF, 0xFC00, 0x7C00, 0x7E01], np.uint16)
out["F16"] = {"blocks": halves.tobytes().hex(), "values": halves.view(np.float16).astype(np.float32).tobytes().hex()}
brains = np.array([0, 0x8000, 1, 0x3F80, 0xC2F7, 0x7F80, 0xFF80, 0x7FC1], np.uint16)
values = dequantize(brains.view(np.uint8).reshape(1, -1), GGMLQuantizationType.BF16)
out["BF16"] = {"blocks": brains.tobytes().hex(), "values": values.tobytes().hex()}
floats = np.array([0, -0.0, 1.5, 1e-45, 3.4e38, np.inf], np.float32)
out["F32"] = {"blocks": floats.tobytes().hex(), "values": floats.tobytes().hex()}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(out, indent=1) + "\n")
