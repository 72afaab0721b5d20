"""Writes ggml-quantize.json: values and the blocks that ggml makes of them.

pip install gguf==0.19.0 numpy && python ggml-quantize.py [LIBGGML_BASE.so]

The small blocks are those of llama.cpp's Python package. It has no K-quants: these are of llama.cpp's own library
(`ggml_quantize_chunk`; npm's @node-llama-cpp/linux-x64 has it in bins/), which is also asked for the small ones.
"""

import ctypes
import json
import pathlib
import sys

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import quantize

rng = np.random.default_rng(0)
values = np.concatenate(
    [
        rng.standard_normal(512) * 0.02,
        rng.standard_cauchy(256) * 0.01,
        np.repeat([0.0, 1.0, -7.0, 3e-8], 64),
        np.abs(rng.standard_normal(256)),
        rng.standard_normal(256) * 5e4,
    ]
).astype(np.float32)
library = ctypes.CDLL(sys.argv[1])
library.ggml_quantize_chunk.restype = ctypes.c_size_t
out = {"how": "made by ggml-quantize.py; hex, little-endian", "values": values.tobytes().hex()}
for name in ["Q4_0", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"]:
    qtype = GGMLQuantizationType[name]
    size, nbytes = GGML_QUANT_SIZES[qtype]
    blocks = np.zeros(values.size // size * nbytes, np.uint8)
    library.ggml_quantize_init(int(qtype))
    rows, columns = ctypes.c_int64(values.size // 256), ctypes.c_int64(256)
    pointers = (ctypes.c_void_p(values.ctypes.data), ctypes.c_void_p(blocks.ctypes.data))
    library.ggml_quantize_chunk(int(qtype), *pointers, ctypes.c_int64(0), rows, columns, None)
    if not name.endswith("_K"):
        assert np.array_equal(blocks, quantize(values.reshape(-1, 256), qtype).reshape(-1)), name
    out[name] = blocks.tobytes().hex()
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(out, indent=1) + "\n")
