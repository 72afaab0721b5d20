"""Makes bitsandbytes on a CPU compute by its own PyTorch implementation, in the compute dtype asked for. Import it first.

Its compiled CPU kernels (0.50.2) read the wrong maximum where a block straddles a row's end (176 columns at block size 64),
and where the CPU has AVX512-BF16 they multiply in bf16 whatever the compute dtype.
"""

import os

os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")

import bitsandbytes as bnb  # noqa: E402
import torch  # noqa: E402
from bitsandbytes.backends.default import ops  # noqa: E402
from bitsandbytes.backends.utils import _get_4bit_code  # noqa: E402


def _dequantize_4bit(codes, absmax, blocksize, quant_type, shape, dtype):
    code = _get_4bit_code(quant_type, torch.device("cpu"))
    codes = codes.contiguous().view(torch.uint8).reshape(-1)
    values = ops._dequantize_4bit_compute(codes, absmax.float(), code, blocksize, tuple(shape), dtype)
    return values.reshape(tuple(shape))


_override = torch.library.Library("bitsandbytes", "IMPL")
_override.impl("dequantize_4bit", _dequantize_4bit, "CPU", allow_override=True)
bnb.nn.modules.has_avx512bf16 = lambda: False
bnb.functional.has_avx512bf16 = lambda: False
