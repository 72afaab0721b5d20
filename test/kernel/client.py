"""Drives the real kernel over ZeroMQ with Jupyter's own client; prints one JSON line a check: name, passed, what it saw."""

import json
import signal
import sys
import time
import traceback
from pathlib import Path

from harness import Kernel

MAIN, CWD = sys.argv[1], Path(sys.argv[2])


CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


@check
def result_of_the_last_expression(k):
    assert k.run("const x: number = 1\nx + 1").result == "2"


@check
def redeclared_const_and_types_known_across_cells(k):
    k.run('const x = "word"')
    assert k.run("x.length").result == "4"
    assert k.run("x.nothing").reply["ename"] == "TypeScriptError"


@check
def top_level_await_and_for_await(k):
    assert k.run("await Promise.resolve(4)").result == "4"
    assert k.run("for await (const a of [1, 2]) console.log(a)").stdout == "1\n2\n"


@check
def export_in_a_cell(k):
    k.run("export const zed = 5")
    assert k.run("zed").result == "5"


@check
def shorthand_properties_of_earlier_cells(k):
    k.run("const short = 1")
    assert k.run("({ short })").result == "{ short: 1 }"
    assert k.run("let taken = 0;\n({ taken } = { taken: 5 })\ntaken").result == "5"
    assert k.run("((short: number) => ({ short }))(2)").result == "{ short: 2 }"


@check
def error_has_the_cells_lines(k):
    cell = k.run('function f() {\n  throw new TypeError("bad")\n}\n\nf()')
    assert cell.reply["ename"] == "TypeError" and cell.reply["evalue"] == "bad", cell.reply
    place, *frames = cell.reply["traceback"][1:]
    assert place.endswith('line 2:  throw new TypeError("bad")'), place
    assert len(frames) == 2 and frames[0].endswith("line 2)") and frames[1].endswith("line 5"), frames


@check
def variables_survive_an_error(k):
    k.run('const kept = 7\nthrow new Error("after")')
    assert k.run("kept").result == "7"


@check
def rejection_nobody_handles_fails_its_cell(k):
    assert k.run('Promise.reject(new Error("lost"))').reply["evalue"] == "lost"


@check
def require_dirname_and_helpers_that_change(k):
    helper = CWD / "helper.ts"
    helper.write_text("export const version: number = 1\n")
    assert k.run('import { version } from "./helper"\n[version, __dirname]').result == f"[ 1, '{CWD}' ]"
    assert k.run("require('node:path').basename('/a/b')").result == "'b'"
    helper.write_text("export const version: number = 2\n")
    deadline = time.time() + 20
    while k.run('import { version } from "./helper"\nversion').result != "2":
        assert time.time() < deadline, "the changed helper was not loaded"
        time.sleep(0.5)


@check
def tslab_display(k):
    cell = k.run('import * as tslab from "tslab"\nconst d = tslab.newDisplay()\nd.html("<b>1</b>")\nd.text("2")')
    first, second = cell.contents("display_data")[0], cell.contents("update_display_data")[0]
    assert first["data"] == {"text/html": "<b>1</b>"} and second["data"] == {"text/plain": "2"}
    assert first["transient"] == second["transient"]


@check
def display_hook_takes_bundles(k):
    code = """const hook = (globalThis as any)[Symbol.for("qlora.display")]
const id = hook.display({ "text/plain": "a", "image/png": new Uint8Array([1, 2]) })
hook.update(id, { "text/plain": "b" })
hook.clear(true)"""
    cell = k.run(code)
    assert cell.contents("display_data")[0]["data"] == {"text/plain": "a", "image/png": "AQI="}
    assert cell.contents("update_display_data")[0]["data"] == {"text/plain": "b"}
    assert cell.contents("clear_output") == [{"wait": True}]


@check
def records_are_a_table(k):
    data = k.run('[{ a: 1, b: "<x>" }]').contents("execute_result")[0]["data"]
    assert "&lt;x&gt;" in data["text/html"] and "text/plain" in data


@check
def late_output_goes_to_its_own_cell(k):
    first = k.client.execute('setTimeout(() => console.log("late"), 200); 1')
    k.finish(first)
    cell = k.run("await new Promise((done) => setTimeout(done, 500))")
    assert cell.stdout == "" and (first, "stream", {"name": "stdout", "text": "late\n"}) in k.others


@check
def interrupt_runs_finally_and_keeps_the_state(k):
    cell = k.interrupted('let n = 0\ntry { while (true) n++ } finally { console.log("finally") }')
    assert cell.stdout == "finally\n"
    assert k.run("n > 0").result == "true"


@check
def interrupted_async_loop_really_stops(k):
    k.interrupted("let turns = 0\nwhile (true) { await new Promise((r) => setTimeout(r, 5)); turns++ }")
    before = k.run("turns").result
    time.sleep(0.1)
    assert k.run("turns").result == before


@check
def interrupt_ends_code_that_does_not_cooperate(k):
    for code in [
        "await new Promise(() => {})",
        'eval("while (true) {}")',
        'await 1; eval("while (true) {}")',
        'setTimeout(() => eval("while (true) {}"), 10); await new Promise((r) => setTimeout(r, 9000))',
        "setTimeout(() => { while (true) {} }, 10); await new Promise((r) => setTimeout(r, 9000))",
        "while (true) await null",
        "while (true) { try { await new Promise((r) => setTimeout(r, 5)) } catch {} }",
        "/^(a+)+$/.test('a'.repeat(50) + 'b')",
    ]:
        k.interrupted(code)
    assert k.run("1 + 1").result == "2"


@check
def sigint_is_an_interrupt_too(k):
    cell = k.client.execute("await new Promise(() => {})")
    time.sleep(0.3)
    k.manager.provisioner.process.send_signal(signal.SIGINT)
    assert k.finish(cell).reply["ename"] == "KeyboardInterrupt"


@check
def no_output_after_idle_in_200_quick_cells(k):
    for turn in range(200):
        cell = k.run(f"console.log({turn})")
        assert cell.stdout == f"{turn}\n", (turn, cell.messages)


@check
def twenty_interrupts_in_a_row(k):
    for turn in range(20):
        k.interrupted("while (true) {}" if turn % 2 else "await new Promise(() => {})", 0.1)
    assert k.run("1 + 1").result == "2"


@check
def sigint_listener_ends_the_cell_in_its_own_time(k):
    code = """let stop = false
const listener = () => { stop = true }
process.on('SIGINT', listener)
const step = new Function('stopped', 'return (async () => { while (!stopped()) await new Promise((r) => setTimeout(r, 100)); return "stopped" })()')
const outcome = await step(() => stop)
process.off('SIGINT', listener)
outcome"""
    assert k.run(code, interrupt_after=0.5).result == "'stopped'"


@check
def completion_inspection_and_control_answer_while_a_cell_spins(k):
    k.run("const spin = { name: 1 }")
    cell = k.client.execute('eval("while (true) {}")')
    time.sleep(0.3)
    assert k.reply(k.client.complete("spin.na", 7))["matches"] == ["name"]
    assert "spin" in k.reply(k.client.inspect("spin", 4))["data"]["text/plain"]
    assert k.client.hb_channel.is_beating()
    k.manager.interrupt_kernel()
    assert k.finish(cell).reply["ename"] == "KeyboardInterrupt"


@check
def prompt_asks_the_frontend(k):
    cell = k.client.execute('const who = prompt("who?")\nwho', allow_stdin=True)
    assert k.client.get_stdin_msg(timeout=20)["content"]["prompt"] == "who?"
    k.client.input("me")
    assert k.finish(cell).result == "'me'"
    assert "allow_stdin" in k.run('prompt("who?")', allow_stdin=False).reply["evalue"]


@check
def user_expressions(k):
    k.run("const five = 5")
    found = k.run("1", user_expressions={"good": "five + 1", "bad": "nothing"}).reply["user_expressions"]
    assert found["good"]["data"] == {"text/plain": "6"} and found["bad"]["status"] == "error"


@check
def a_cell_right_after_an_error_runs(k):
    assert k.run('throw new Error("x")').status == "error"
    assert k.run("1").result == "1"


@check
def unsigned_and_malformed_frames_are_dropped(k):
    import zmq

    info = k.client.get_connection_info()
    socket = zmq.Context.instance().socket(zmq.DEALER)
    socket.connect(f"tcp://{info['ip']}:{info['shell_port']}")
    header = json.dumps({"msg_id": "1", "msg_type": "kernel_info_request"}).encode()
    for frames in [[b""], [b"<IDS|MSG>"], [b"<IDS|MSG>", b"", header, b"{}", b"{}", b"{}"], [b"\xff" * 9] * 7]:
        socket.send_multipart(frames)
    assert not socket.poll(300)
    socket.close(0)
    assert k.run("1").result == "1"


@check
def process_exit_ends_the_kernel(k):
    assert k.run("process.exit(3)").reply["ename"] == "Exit"
    deadline = time.time() + 20
    while k.manager.is_alive():
        assert time.time() < deadline, "still alive"
        time.sleep(0.1)


def main():
    kernel = Kernel(MAIN, CWD)
    try:
        for function in CHECKS:
            try:
                function(kernel)
                print(json.dumps({"name": function.__name__, "passed": True}), flush=True)
            except Exception:
                seen = traceback.format_exc()
                print(json.dumps({"name": function.__name__, "passed": False, "seen": seen}), flush=True)
    finally:
        kernel.manager.shutdown_kernel(now=True)


main()
