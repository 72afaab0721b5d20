"""Named checks over one real kernel: each prints a JSON line with its name, whether it passed, and what it saw."""

import json
import sys
import traceback
from pathlib import Path

from harness import Kernel

MAIN, CWD = sys.argv[1], Path(sys.argv[2])
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def run_checks(cwd=CWD):
    kernel = Kernel(MAIN, cwd)
    try:
        for function in CHECKS:
            try:
                function(kernel)
                outcome = {"passed": True}
            except Exception:
                outcome = {"passed": False, "seen": traceback.format_exc()}
                # The others shall not fail with it.
                kernel.manager.shutdown_kernel(now=True)
                kernel = Kernel(MAIN, cwd)
            print(json.dumps({"name": function.__name__, **outcome}), flush=True)
    finally:
        kernel.manager.shutdown_kernel(now=True)
