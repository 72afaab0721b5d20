"""jupyter_kernel_test's own suite; prints a JSON line a test."""

import json
import os
import sys
import tempfile
import unittest
from pathlib import Path

MAIN, CWD = sys.argv[1], Path(sys.argv[2])
SPEC = {
    "argv": ["node", "--no-force-async-hooks-checks", MAIN, "{connection_file}"],
    "display_name": "TypeScript",
    "language": "typescript",
    "interrupt_mode": "message",
}
folder = CWD / "kernels" / "qlora-test"
folder.mkdir(parents=True)
(folder / "kernel.json").write_text(json.dumps(SPEC))
os.environ["JUPYTER_PATH"] = os.environ["JUPYTER_DATA_DIR"] = str(CWD)
os.environ["JUPYTER_RUNTIME_DIR"] = tempfile.mkdtemp(dir=CWD)

import jupyter_kernel_test  # noqa: E402  (reads the environment)

DISPLAY = "(globalThis as any)[Symbol.for('qlora.display')]"


class TypeScriptTests(jupyter_kernel_test.KernelTests):
    kernel_name = "qlora-test"
    language_name = "typescript"
    file_extension = ".ts"
    code_hello_world = "console.log('hello, world')"
    code_stderr = "console.error('oops')"
    completion_samples = [
        {"text": "process.argv0.toUpperC", "matches": {"toUpperCase"}},
        {"text": "Number.isSafeI", "matches": {"isSafeInteger"}},
    ]
    complete_code_samples = ["1", "const a = 1", "function f(x: number) {\n  return x * 2\n}", "await f()"]
    incomplete_code_samples = ["function f() {", "[1,\n2", "f(", "`text"]
    invalid_code_samples = ["const = 1", "let 5 = x", "}"]
    code_page_something = "parseInt?"
    code_generate_error = "throw new Error('wanted')"
    code_execute_result = [
        {"code": "6 * 7", "result": "42"},
        {"code": "1 + 2 + 3", "result": "6"},
        {"code": "'a'.repeat(3)", "result": "'aaa'"},
        {"code": "[{ a: 1 }]", "mime": "text/html"},
    ]
    code_display_data = [
        {"code": f"{DISPLAY}.display({{ 'text/html': '<b>x</b>' }})", "mime": "text/html"},
        {"code": "import { display } from 'tslab'\ndisplay.svg('<svg/>')", "mime": "image/svg+xml"},
    ]
    code_history_pattern = "6 [*] ?"
    supported_history_operations = ("tail", "range", "search")
    code_inspect_sample = "parseInt"
    code_clear_output = f"{DISPLAY}.clear(true)"


class WelcomeTests(jupyter_kernel_test.IopubWelcomeTests):
    kernel_name = "qlora-test"
    support_iopub_welcome = True


class Result(unittest.TestResult):
    def tell(self, test, **outcome):
        print(json.dumps({"name": test.id().split(".")[-1], **outcome}), flush=True)

    def addSuccess(self, test):
        self.tell(test, passed=True)

    def addSkip(self, test, reason):
        self.tell(test, passed=False, seen=f"skipped: {reason}")

    def addFailure(self, test, error):
        self.tell(test, passed=False, seen=self._exc_info_to_string(error, test))

    addError = addFailure

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self.addFailure(test, error)


if __name__ == "__main__":
    loader = unittest.TestLoader()
    suites = [loader.loadTestsFromTestCase(tests) for tests in (TypeScriptTests, WelcomeTests)]
    unittest.TestSuite(suites).run(Result())
