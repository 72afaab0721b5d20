"""What a cell may do to the process that runs it; the kernel says so and goes on."""

import os
import signal
import time

from checks import CWD, MAIN, check, run_checks
from harness import Kernel


def goes_on(k):
    """The state is lost, and nothing else."""
    gone = k.run("kept")
    assert gone.reply["ename"] == "TypeScriptError" and "kept" in gone.reply["evalue"], gone.reply
    assert k.run("const kept = 5\nkept").result == "5"
    assert k.run("import { kept as helped } from './helper'\nhelped + kept").result == "11"


def died(k, code, name):
    k.run("const kept = 4\nimport { kept as helped } from './helper'")
    cell = k.run(code)
    assert cell.reply["status"] == "error" and cell.reply["ename"] == name, cell.reply
    assert cell.contents("error")[0]["evalue"] == cell.reply["evalue"]
    assert "variables" in cell.reply["evalue"], cell.reply
    goes_on(k)
    return cell.reply["evalue"]


(CWD / "helper.ts").write_text("export const kept = 6\n")


@check
def a_full_heap_says_what_to_do(k):
    small = Kernel(MAIN, CWD, env={"NODE_OPTIONS": "--max-old-space-size=64"})
    try:
        code = "const all: object[] = []; while (true) all.push(Array.from({ length: 1e4 }, (_, i) => ({ i })))"
        text = died(small, code, "OutOfMemory")
        assert "MB" in text and "--max-old-space-size=" in text and "typed arrays" in text, text
        text = died(small, "new Array(2 ** 32 - 1).fill(0)", "OutOfMemory")
    finally:
        small.manager.shutdown_kernel(now=True)


@check
def an_aborted_process_and_a_killed_one_are_told(k):
    assert "SIGABRT" in died(k, "process.kill(process.pid, 'SIGABRT')\nwhile (true) {}", "KernelProcessDied")
    assert "memory" in died(k, "process.kill(process.pid, 'SIGKILL')\nwhile (true) {}", "KernelProcessDied")


@check
def a_death_between_cells_is_told_to_the_next_one(k):
    k.run("const kept = 4\nimport { kept as helped } from './helper'")
    os.kill(int(k.run("process.pid").result), signal.SIGSEGV)
    time.sleep(1)
    assert "SIGSEGV" in k.run("1").reply["evalue"]
    goes_on(k)


@check
def queued_cells_are_aborted(k):
    first = k.client.execute("process.kill(process.pid, 'SIGABRT')\nwhile (true) {}")
    second = k.client.execute("2")
    assert k.finish(first).reply["status"] == "error"
    assert k.finish(second).reply["status"] == "aborted"


@check
def the_process_of_the_cells_ends_with_the_kernel(k):
    other = Kernel(MAIN, CWD)
    pid = int(other.run("process.pid").result)
    other.client.execute("while (true) {}")
    time.sleep(0.3)
    other.manager.provisioner.process.kill()
    deadline = time.time() + 10
    while os.path.exists(f"/proc/{pid}"):
        assert time.time() < deadline
        time.sleep(0.1)


run_checks()
