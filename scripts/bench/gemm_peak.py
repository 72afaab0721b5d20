"""What this machine's best library reaches in a large matrix product: torch (MKL or OpenBLAS in float32, oneDNN in bfloat16)."""

import json
import time

import torch


def peak(dtype: torch.dtype, n: int = 2048, repeats: int = 8) -> float:
    a = torch.randn(n, n).to(dtype)
    b = torch.randn(n, n).to(dtype)
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - start)
    return 2 * n**3 / best / 1e9


print(json.dumps({"float32": round(peak(torch.float32), 1), "bfloat16": round(peak(torch.bfloat16), 1)}))
