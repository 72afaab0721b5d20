"""Interrupts of what JavaScript cannot be ended in, and of cells beside work that is stopping."""

import time

from checks import CWD, check, run_checks


def timed(k, code, after=0.5):
    """Seconds from the interrupt to the cell's end."""
    message_id = k.client.execute(code)
    time.sleep(after)
    begun = time.time()
    k.manager.interrupt_kernel()
    cell = k.finish(message_id)
    assert cell.reply.get("ename") == "KeyboardInterrupt", cell.reply
    return time.time() - begun


@check
def a_child_that_a_cell_waits_for(k):
    k.run("import { execSync, spawn } from 'node:child_process'\nconst server = spawn('sleep', ['100'])")
    k.run("await new Promise((done) => setTimeout(done, 1200))")
    assert timed(k, "execSync('sleep 60')") < 10
    assert timed(k, "execSync('trap \"\" INT; sleep 60 & sleep 60')") < 10
    # A child of an earlier cell lives on.
    assert k.run("[server.exitCode, server.signalCode, server.kill()]").result == "[ null, null, true ]"


# Work that hears SIGINT and stops in its own time, as training does; it is a package's code.
STOPS = """
const { setTimeout: pause } = require('node:timers/promises')
exports.work = async (seconds, call = async () => {}) => {
  let stop = false
  process.once('SIGINT', () => { stop = true })
  while (!stop) await pause(20)
  const end = Date.now() + 1000 * seconds
  while (Date.now() < end) {
    await pause(20)
    await call()
  }
  globalThis.stopped = true
  return 'stopped'
}
"""


@check
def set_up(k):
    folder = CWD / "node_modules/stops"
    folder.mkdir(parents=True)
    (folder / "index.js").write_text(STOPS)
    (folder / "index.d.ts").write_text(
        "export function work(seconds: number, call?: () => Promise<void>): Promise<string>"
    )
    k.run("import { work } from 'stops'")
    k.run("const busy = (ms: number) => { const end = Date.now() + ms; while (Date.now() < end) {} }")
    k.run("const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms))")


@check
def a_cell_that_waits_for_the_work_gets_its_result(k):
    cell = k.run("await work(3)", interrupt_after=0.5)
    assert cell.result == "'stopped'", cell.reply
    cell = k.run("const go = async () => { const r = await work(2); await pause(100); return r }\nawait go()", 0.5)
    assert cell.result == "'stopped'", cell.reply


@check
def what_the_work_calls_back_does_not_end_the_cell(k):
    call = "async () => { for (let i = 0; i < 3; i++) busy(1); await pause(1); await pause(1) }"
    cell = k.run(f"await work(3, {call})", interrupt_after=0.5)
    assert cell.result == "'stopped'", cell.reply


@check
def a_cell_that_is_busy_beside_the_work_ends_soon_and_the_work_still_stops(k):
    bodies = [
        "while (true) { busy(200); await pause(0) }",
        "while (true) { await pause(5) }",
        "await (async () => { while (true) { busy(50); await pause(5) } })()",
        "while (true) { try { busy(50); await pause(5) } catch {} }",
        "await pause(600); while (true) {}",
    ]
    for body in bodies:
        for after in (0.3, 0.47):
            k.run("globalThis.stopped = false")
            seconds = timed(k, f"void work(2)\n{body}", after)
            assert seconds < 4, (body, seconds)
            assert k.run("await pause(2500)\nglobalThis.stopped").result == "true", body


@check
def a_second_interrupt_ends_a_cell_that_waits(k):
    message_id = k.client.execute("await work(20)")
    time.sleep(0.5)
    k.manager.interrupt_kernel()
    time.sleep(0.5)
    begun = time.time()
    k.manager.interrupt_kernel()
    assert k.finish(message_id).reply["ename"] == "KeyboardInterrupt"
    assert time.time() - begun < 5


@check
def a_cell_that_takes_long_to_compile(k):
    k.run("interface Kept { a: number }\nconst kept: Kept = { a: 1 }\nfunction twice(n: number) { return 2 * n }")
    type_ = "type D<N extends number, A extends any[] = []> = A['length'] extends N ? A : D<N, [...A, any]>"
    many = "; ".join(f"const d{i}: D<{900 + i % 90}> = null as any" for i in range(3000))
    assert timed(k, f"{type_}; {many}") < 10
    # What was declared before still is.
    assert k.run("const again: Kept = { a: twice(kept.a) }\nagain").result == "{ a: 2 }"
    assert k.run("again.nothing").reply["ename"] == "TypeScriptError"


run_checks()
