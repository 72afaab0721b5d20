"""The debugger over a real kernel, asked as JupyterLab's panel asks."""

import time

from checks import check, run_checks
from debug_session import Debug, attached
from ipykernel.compiler import murmur2_x86


@check
def kernel_info_says_debugger(k):
    reply = k.reply(k.client.kernel_info())
    assert "debugger" in reply["supported_features"] and reply["protocol_version"] == "5.5", reply


@check
def a_cells_path_is_what_the_frontend_computes(k):
    info = Debug(k).get("debugInfo")
    assert info["hashMethod"] == "Murmur2" and info["isStarted"] is False and info["stoppedThreads"] == []
    for code in ["", "a", "ab", "abc", "abcd", "const x = 1\nx", "“ключ” 😀", "x" * 1001]:
        wanted = f"{info['tmpFilePrefix']}{murmur2_x86(code, info['hashSeed'])}{info['tmpFileSuffix']}"
        assert Debug(k).get("dumpCell", code=code)["sourcePath"] == wanted, code


CELL = """const seven: number = 7
interface Gone { a: string }

function twice(n: number) {
  const doubled = n * 2 + seven - 7

  return doubled
}
let total = 0
for (let i = 0; i < 2; i++) {
  total += twice(i) + seven
}
console.log('total', total)
total"""


@check
def stops_shows_and_goes_on(k):
    debug = attached(k)
    cell, path = debug.start(CELL, [5])
    stopped = debug.event("stopped")
    assert stopped["reason"] == "breakpoint" and stopped["threadId"] == 1, stopped
    frames = debug.frames()
    assert [(f["name"], f["line"]) for f in frames][0] == ("twice", 5), frames
    assert frames[1]["line"] == 11 and len(frames) == 2, frames
    assert all(f["source"]["path"] == path for f in frames), frames
    assert debug.get("source", source={"path": path})["content"] == CELL
    assert debug.variables()["n"]["value"] == "0"
    assert debug.variables("Closure")["seven"]["value"] == "7"
    assert debug.variables("Locals", 1)["i"]["value"] == "0"
    assert "exports" not in debug.variables("Locals", 1)
    assert debug.get("debugInfo")["stoppedThreads"] == [1]
    debug.get("continue", threadId=1)
    debug.event("stopped")
    assert debug.variables()["n"]["value"] == "1"
    done = debug.go_on(cell)
    assert done.result == "16" and done.stdout == "total 16\n", done.messages
    assert debug.get("debugInfo")["stoppedThreads"] == []


@check
def steps_line_by_line(k):
    debug = attached(k)
    cell, _ = debug.start(CELL.replace("'total'", "'steps'"), [9])
    debug.event("stopped")
    assert debug.place()[1] == 9
    assert debug.step("next")[1] == 10
    assert debug.step("next")[1] == 11
    assert debug.step("stepIn") == ("twice", 5)
    assert debug.step("next") == ("twice", 7)
    assert debug.variables()["doubled"]["value"] == "0"
    assert debug.step("stepOut")[1] in (10, 11)
    assert debug.go_on(cell).result == "16"


@check
def steps_over_an_await(k):
    debug = attached(k)
    code = "const later = (n: number) => new Promise<number>((done) => setTimeout(() => done(n), 50))\nconst a = await later(1)\nconst b = await later(a + 1)\nconsole.log(b)\nb"
    cell, _ = debug.start(code, [2])
    debug.event("stopped")
    assert debug.step("next")[1] == 3
    assert debug.step("next")[1] == 4
    assert debug.variables()["b"]["value"] == "2"
    assert debug.go_on(cell).result == "2"


@check
def a_step_past_the_end_stops_nowhere(k):
    debug = attached(k)
    cell, _ = debug.start("let last = 1\nlast = 2", [2])
    debug.event("stopped")
    debug.get("next", threadId=1)
    k.finish(cell)
    assert k.run("last + 1").result == "3"
    assert debug.get("debugInfo")["stoppedThreads"] == []


@check
def breakpoint_on_an_empty_line_moves_and_one_in_an_old_cell_works(k):
    debug = attached(k)
    code = "function old(n: number) {\n\n  return n + 1\n}"
    k.run(code)
    path = debug.get("dumpCell", code=code)["sourcePath"]
    found = debug.get("setBreakpoints", source={"path": path}, breakpoints=[{"line": 2}])["breakpoints"]
    assert [(b["line"], b["verified"]) for b in found] == [(3, True)], found
    kept = debug.get("debugInfo")["breakpoints"]
    assert {"line": 3, "verified": True} in next(b["breakpoints"] for b in kept if b["source"] == path), kept
    cell = k.client.execute("old(4)")
    debug.event("stopped")
    assert debug.place() == ("old", 3) and debug.variables()["n"]["value"] == "4"
    assert debug.go_on(cell).result == "5"
    debug.get("setBreakpoints", source={"path": path}, breakpoints=[])
    assert k.run("old(5)").result == "6"


@check
def values_of_every_kind(k):
    debug = attached(k)
    k.run("const earlier = 40")
    code = """const look = (text: string, list: number[], big: Float32Array, map: Map<string, number>, nested: any) => {
  return earlier
}
look("a\\"b", [1, 2], new Float32Array(250).fill(0.5), new Map([["k", 1]]), { deep: { er: [null, undefined, -0] } })"""
    cell, _ = debug.start(code, [2])
    debug.event("stopped")
    seen = debug.variables()
    assert seen["text"]["value"] == '"a\\"b"' and "type" not in seen["text"], seen
    assert seen["list"]["value"] == "Array(2) [1, 2]" and seen["list"]["variablesReference"] > 0, seen
    assert debug.list(seen["list"]["variablesReference"])["1"]["value"] == "2"
    parts = debug.list(seen["big"]["variablesReference"])
    assert list(parts) == ["[0 … 99]", "[100 … 199]", "[200 … 249]"], parts
    assert debug.list(parts["[200 … 249]"]["variablesReference"])["249"]["value"] == "0.5"
    assert seen["map"]["value"] == "Map(1) {k => 1}", seen["map"]
    deep = debug.list(seen["nested"]["variablesReference"])["deep"]
    inner = debug.list(debug.list(deep["variablesReference"])["er"]["variablesReference"])
    assert [inner[i]["value"] for i in "012"] == ["null", "undefined", "-0"], inner
    assert debug.variables("Notebook")["earlier"]["value"] == "40"
    frame = debug.frames()[0]["id"]
    assert debug.get("evaluate", expression="list.length + earlier", frameId=frame)["result"] == "42"
    failed = debug.ask("evaluate", expression="nothing.here", frameId=frame)
    assert not failed["success"] and "nothing is not defined" in failed["message"], failed
    rich = debug.get("richInspectVariables", variableName="list", frameId=frame)
    assert rich["data"]["text/plain"] == "[ 1, 2 ]", rich
    assert debug.go_on(cell).result == "40"


@check
def variables_without_a_stop(k):
    debug = attached(k)
    k.run("const shown = { rows: [{ a: 1 }] }")
    found = {v["name"]: v for v in debug.get("inspectVariables")["variables"]}
    assert found["shown"]["value"] == "{rows: Array(1)}" and "kernel" not in found and "prompt" not in found
    assert debug.list(found["shown"]["variablesReference"])["rows"]["value"].startswith("Array(1)")
    rich = debug.get("richInspectVariables", variableName="shown")
    assert "rows" in rich["data"]["text/plain"], rich
    assert debug.get("evaluate", expression="shown.rows.length")["result"] == "1"


@check
def heartbeat_control_and_completion_answer_while_stopped(k):
    debug = attached(k)
    cell, _ = debug.start("const held = 5\nheld + 1", [2])
    debug.event("stopped")
    assert k.client.hb_channel.is_beating()
    assert k.reply(k.client.kernel_info())["status"] == "ok"
    assert k.reply(k.client.complete("hel", 3))["status"] == "ok"
    assert debug.get("threads")["threads"] == [{"id": 1, "name": "cells"}]
    assert debug.go_on(cell).result == "6"


@check
def interrupt_ends_a_stopped_cell(k):
    debug = attached(k)
    cell, _ = debug.start("for (let turn = 0; ; turn++) {\n  turn + 1\n}", [2])
    debug.event("stopped")
    k.manager.interrupt_kernel()
    assert k.finish(cell).reply["ename"] == "KeyboardInterrupt"
    assert k.run("1 + 1").result == "2"
    cell, _ = debug.start("let again = 1\nagain", [2])
    debug.event("stopped")
    assert debug.go_on(cell).result == "1"


@check
def pause_stops_a_busy_loop(k):
    debug = attached(k)
    cell = k.client.execute("const spin = { on: true, turns: 0 }\nwhile (spin.on) {\n  spin.turns++\n}\nspin.turns")
    time.sleep(0.5)
    debug.get("pause", threadId=1)
    assert debug.event("stopped")["reason"] == "pause"
    assert debug.place()[1] in (2, 3), debug.frames()
    debug.get("evaluate", expression="spin.on = false", frameId=debug.frames()[0]["id"])
    assert int(debug.go_on(cell).result) > 0


@check
def a_pause_while_nothing_runs_stops_the_next_cell(k):
    debug = attached(k)
    debug.get("pause", threadId=1)
    cell = k.client.execute("const early = 1\nearly + 1")
    assert debug.event("stopped")["reason"] == "pause"
    assert debug.place()[1] == 1
    assert debug.step("next")[1] == 2
    assert debug.go_on(cell).result == "2"


@check
def an_interrupt_of_nothing_leaves_the_breakpoints(k):
    debug = attached(k)
    k.manager.interrupt_kernel()
    time.sleep(0.3)
    cell, _ = debug.start("const still = 1\nstill + 2", [2])
    debug.event("stopped")
    assert debug.go_on(cell).result == "3"


@check
def thrown_exceptions_stop_when_asked(k):
    debug = attached(k)
    debug.get("setExceptionBreakpoints", filters=["all"])
    cell = k.client.execute('const bad = 3\nthrow new TypeError("wrong")')
    stopped = debug.event("stopped")
    assert stopped["reason"] == "exception" and stopped["text"] == "TypeError: wrong", stopped
    assert debug.place()[1] == 2 and debug.variables()["bad"]["value"] == "3"
    assert debug.go_on(cell).reply["ename"] == "TypeError"
    debug.get("setExceptionBreakpoints", filters=[])
    assert k.run('throw new Error("x")').reply["evalue"] == "x"


@check
def unknown_commands_and_references_are_refused(k):
    debug = attached(k)
    reply = debug.ask("goto")
    assert not reply["success"] and "not supported" in reply["message"], reply
    assert not debug.ask("constructor")["success"]
    assert not debug.ask("variables", variablesReference=99999)["success"]
    assert not debug.ask("scopes", frameId=99999)["success"]
    assert not debug.ask("next", threadId=1)["success"]
    assert not debug.ask("source", source={"path": "/nowhere.ts"})["success"]


@check
def a_loaded_file_is_a_module_with_breakpoints(k):
    from checks import CWD

    debug = attached(k)
    file = CWD / "loaded.js"
    file.write_text("exports.triple = (n) => {\n  const tripled = n * 3\n  return tripled\n}\n")
    k.run(f"const triple = require({str(file)!r}).triple as (n: number) => number")
    modules = debug.get("modules")["modules"]
    paths = [m["path"] for m in modules]
    assert str(file) in paths and not any("runner" in path for path in paths), paths
    assert "tripled" in debug.get("source", source={"path": str(file)})["content"]
    found = debug.get("setBreakpoints", source={"path": str(file)}, breakpoints=[{"line": 3}])
    assert found["breakpoints"][0]["verified"], found
    cell = k.client.execute("triple(4)")
    debug.event("stopped")
    assert debug.place()[1] == 3 and debug.variables()["tripled"]["value"] == "12"
    assert debug.go_on(cell).result == "12"
    debug.get("setBreakpoints", source={"path": str(file)}, breakpoints=[])


@check
def disconnect_lets_a_stopped_cell_go(k):
    debug = attached(k)
    cell, _ = debug.start("let free = 1\nfree", [2])
    debug.event("stopped")
    debug.get("disconnect", restart=False, terminateDebuggee=False)
    assert k.finish(cell).result == "1"
    info = debug.get("debugInfo")
    assert info["isStarted"] is False and info["breakpoints"] == [], info
    assert k.run("let free = 1\nfree").result == "1"


@check
def shutdown_while_stopped_ends_the_process(k):
    debug = attached(k)
    debug.start("let end = 1\nend", [2])
    debug.event("stopped")
    k.client.shutdown()
    while k.client.get_iopub_msg(timeout=30)["msg_type"] != "shutdown_reply":
        pass
    deadline = time.time() + 20
    while k.manager.is_alive():
        assert time.time() < deadline, "still alive"
        time.sleep(0.1)


@check
def sigterm_while_stopped_ends_it_too(k):
    k.manager.restart_kernel(now=True)
    k.client.wait_for_ready(timeout=60)
    debug = attached(k)
    debug.start("let end = 1\nend", [2])
    debug.event("stopped")
    k.manager.provisioner.process.terminate()
    deadline = time.time() + 20
    while k.manager.is_alive():
        assert time.time() < deadline, "still alive"
        time.sleep(0.1)


run_checks()
