"""Kernel subshells over a real kernel: a second console looks at values while a cell runs."""

import time

from checks import check, run_checks
from harness import Cell


def control(k, kind, **content):
    message = k.client.session.msg(kind, content)
    k.client.control_channel.send(message)
    while True:
        reply = k.client.get_control_msg(timeout=30)
        if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
            assert reply["msg_type"] == kind.replace("_request", "_reply"), reply
            return reply["content"]


def send(k, subshell, code, **options):
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, **options}
    message = k.client.session.msg("execute_request", content)
    message["header"]["subshell_id"] = subshell
    k.client.shell_channel.send(message)
    return message["header"]["msg_id"]


def settled(k, *messages):
    """What the kernel says about cells that run side by side; in the order in which they ended."""
    seen = {message: [] for message in messages}
    replies, ended = {}, []
    while len(ended) < len(messages):
        message = k.client.get_iopub_msg(timeout=60)
        parent = message["parent_header"].get("msg_id")
        if parent in seen:
            seen[parent].append((message["msg_type"], message["content"]))
            if message["content"].get("execution_state") == "idle":
                ended.append(parent)
    while len(replies) < len(messages):
        reply = k.client.get_shell_msg(timeout=20)
        replies[reply["parent_header"].get("msg_id")] = reply["content"]
    return {message: Cell(replies[message], seen[message]) for message in ended}


def opened(k):
    return control(k, "create_subshell_request")["subshell_id"]


@check
def created_listed_and_deleted(k):
    assert "kernel subshells" in k.reply(k.client.kernel_info())["supported_features"]
    first, second = opened(k), opened(k)
    assert set(control(k, "list_subshell_request")["subshell_id"]) == {first, second}
    assert control(k, "delete_subshell_request", subshell_id=first) == {"status": "ok"}
    assert control(k, "list_subshell_request")["subshell_id"] == [second]
    assert control(k, "delete_subshell_request", subshell_id=first)["status"] == "error"
    control(k, "delete_subshell_request", subshell_id=second)


@check
def a_request_to_an_unknown_subshell_is_an_error(k):
    cell = k.finish(send(k, "nobody", "1"))
    assert cell.status == "error" and "nobody" in cell.reply["evalue"], cell.reply


@check
def values_are_read_in_the_middle_of_a_busy_loop(k):
    subshell = opened(k)
    main = k.client.execute("const live = { turns: 0, on: true }\nwhile (live.on) live.turns++\nlive.turns")
    time.sleep(0.5)
    first = k.finish(send(k, subshell, "live.turns"))
    second = k.finish(send(k, subshell, "live.turns"))
    assert 0 < int(first.result) < int(second.result), (first.result, second.result)
    rows = k.finish(send(k, subshell, "[{ turns: live.turns, on: live.on }]")).contents("execute_result")[0]
    assert "<table" in rows["data"]["text/html"], rows
    printed = k.finish(send(k, subshell, 'console.log("seen"); console.error("too")'))
    assert printed.stdout == "seen\n" and len(printed.contents("stream")) == 2, printed.messages
    # What a subshell's cell declares and changes is everybody's.
    done = settled(k, main, send(k, subshell, "const fromSubshell = 11\nlive.on = false"))[main]
    assert int(done.result) > int(second.result) and done.stdout == ""
    assert k.run("fromSubshell").result == "11"


@check
def errors_and_types_are_those_of_a_cell(k):
    subshell = opened(k)
    main = k.client.execute("await new Promise((done) => setTimeout(done, 1500)); 'main'")
    wrong = k.finish(send(k, subshell, "live.nothing"))
    assert wrong.reply["ename"] == "TypeScriptError", wrong.reply
    thrown = k.finish(send(k, subshell, '1\nthrow new RangeError("far")'))
    assert thrown.reply["ename"] == "RangeError" and len(thrown.reply["traceback"]) == 3, thrown.reply
    assert thrown.reply["traceback"][1].endswith('line 2:  throw new RangeError("far")'), thrown.reply
    assert thrown.reply["traceback"][-1].endswith("line 2"), thrown.reply
    asked = k.finish(send(k, subshell, 'prompt("?")', allow_stdin=True))
    assert "does not take input" in asked.reply["evalue"], asked.reply
    good = send(k, subshell, "1", user_expressions={"two": "1 + 1"})
    assert k.finish(good).reply["user_expressions"]["two"]["data"] == {"text/plain": "2"}
    assert k.finish(main).result == "'main'"


@check
def a_subshells_awaits_go_on_beside_the_main_cell_and_print_to_their_own(k):
    subshell = opened(k)
    main = k.client.execute(
        "for (let i = 0; i < 12; i++) { await new Promise((r) => setTimeout(r, 100)); console.log('main') }"
    )
    time.sleep(0.3)
    code = "for (let i = 0; i < 3; i++) { await new Promise((r) => setTimeout(r, 50)); console.log('sub') }\n'over'"
    message = send(k, subshell, code)
    cells = settled(k, main, message)
    assert list(cells) == [message, main]
    assert cells[main].stdout == "main\n" * 12 and cells[message].stdout == "sub\n" * 3, cells
    assert cells[message].result == "'over'"


@check
def cells_of_one_subshell_run_in_order_and_abort_after_an_error(k):
    subshell = opened(k)
    first = send(k, subshell, 'await new Promise((r) => setTimeout(r, 300)); throw new Error("first")')
    second = send(k, subshell, "'second'")
    cells = settled(k, first, second)
    assert cells[first].reply["evalue"] == "first" and cells[second].status == "aborted", cells
    assert k.finish(send(k, subshell, "'third'")).result == "'third'"


@check
def completion_answers_in_a_subshell_while_the_main_cell_spins(k):
    subshell = opened(k)
    k.run("const spun = { turns: 1 }")
    main = k.client.execute('eval("while (true) {}")')
    time.sleep(0.3)
    message = k.client.session.msg("complete_request", {"code": "spun.tu", "cursor_pos": 7})
    message["header"]["subshell_id"] = subshell
    k.client.shell_channel.send(message)
    assert k.reply(message["header"]["msg_id"])["matches"] == ["turns"]
    k.manager.interrupt_kernel()
    assert k.finish(main).reply["ename"] == "KeyboardInterrupt"


@check
def an_interrupt_ends_a_subshells_endless_loop(k):
    subshell = opened(k)
    for code in ["while (true) {}", 'eval("while (true) {}")']:
        cell = send(k, subshell, code)
        time.sleep(0.5)
        k.manager.interrupt_kernel()
        assert k.finish(cell).reply["ename"] == "KeyboardInterrupt", code
    assert k.run("1 + 1").result == "2"


@check
def an_endless_loop_in_the_middle_of_another_cell_ends_and_the_other_goes_on(k):
    subshell = opened(k)
    main = k.client.execute("const outer = { on: true }\nwhile (outer.on) {}\n'outer'")
    time.sleep(0.5)
    assert k.finish(send(k, subshell, 'eval("while (true) {}")')).reply["ename"] == "Timeout"
    done = settled(k, main, send(k, subshell, "outer.on = false"))[main]
    assert done.result == "'outer'", (done.reply, done.messages)


def updates(k, message_id):
    """The texts of a cell's display, as they follow each other, until it is idle."""
    texts, idle = [], False
    while not idle:
        message = k.client.get_iopub_msg(timeout=30)
        if message["msg_type"] in ("display_data", "update_display_data"):
            texts.append(message["content"]["data"]["text/plain"])
        own = message["parent_header"].get("msg_id") == message_id
        idle = own and message["content"].get("execution_state") == "idle"
    return texts


@check
def a_watch_moves_while_a_cell_never_rests_and_stops(k):
    cell = k.client.execute("""const progress = { step: 0 }
const watching = kernel.watch(() => progress, { every: 0.1 })
const start = Date.now()
while (Date.now() - start < 1500) progress.step++
watching.stop()""")
    texts = updates(k, cell)
    k.reply(cell)
    steps = [int(text.split(":")[1].strip(" }")) for text in texts]
    assert len(steps) > 3 and steps == sorted(set(steps)), texts
    still = k.client.execute("progress.step = -1; await new Promise((done) => setTimeout(done, 400))")
    assert updates(k, still) == []
    k.reply(still)


@check
def a_watch_ends_when_it_throws_or_takes_too_long(k):
    cell = k.client.execute("kernel.watch(() => { throw new Error('unreadable') }); 0")
    texts = updates(k, cell)
    k.reply(cell)
    assert len(texts) == 1 and "unreadable" in texts[0], texts
    cell = k.client.execute("""let looks = 0
const stuck = kernel.watch(() => { if (looks++ === 1) eval("while (true) {}"); return looks }, { every: 0.1 })
const from = Date.now()
while (Date.now() - from < 2500) {}
stuck.stop()
console.log("mine")""")
    seen = k.finish(cell)
    shown = seen.contents("display_data") + seen.contents("update_display_data")
    texts = [one["data"]["text/plain"] for one in shown]
    assert texts[:2] == ["1", "3"] and seen.stdout == "mine\n" and seen.status == "ok", seen.messages
    assert k.run("stuck").result == "Watch {}"
    assert "at least" in k.run("kernel.watch(() => 1, { every: 0 })").reply["evalue"]


run_checks()
