"""The protocol's small print, and the kernel's safety, over a real kernel."""

import hashlib
import hmac
import json
import random
import shutil
import statistics
import subprocess
import time
from pathlib import Path

import zmq
from checks import CWD, MAIN, check, run_checks
from harness import Kernel

ROOT = Path(__file__).resolve().parents[2]


def ask(k, kind, channel="shell", **content):
    message = k.client.session.msg(kind, content)
    getattr(k.client, f"{channel}_channel").send(message)
    receive = k.client.get_control_msg if channel == "control" else k.client.get_shell_msg
    while True:
        reply = receive(timeout=30)
        if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
            assert reply["msg_type"] == kind.replace("_request", "_reply"), reply
            return reply["content"]


@check
def kernel_info_is_answered_while_typescript_still_starts(k):
    k.manager.restart_kernel(now=True)
    cell = k.client.execute("'first'")
    info = k.client.kernel_info()
    order = [k.client.get_shell_msg(timeout=60)["parent_header"]["msg_id"] for _ in range(2)]
    assert order == [info, cell]
    k.client.wait_for_ready(timeout=60)


@check
def every_reply_has_a_status(k):
    requests = {
        "kernel_info_request": {},
        "complete_request": {"code": "pars", "cursor_pos": 4},
        "inspect_request": {"code": "parseInt", "cursor_pos": 8, "detail_level": 0},
        "history_request": {"hist_access_type": "tail", "n": 1, "output": False, "raw": True},
        "comm_info_request": {},
    }
    for kind, content in requests.items():
        assert ask(k, kind, **content)["status"] == "ok", kind
        assert ask(k, kind, "control", **content)["status"] == "ok", kind
    assert ask(k, "is_complete_request", code="f(")["status"] == "incomplete"
    assert ask(k, "interrupt_request", "control")["status"] == "ok"
    assert ask(k, "complete_request", code=5)["status"] == "error"


@check
def kernel_info_names_the_typescript_that_checks_the_cells(k):
    info = ask(k, "kernel_info_request")
    lock = json.loads((ROOT / "node_modules/typescript/package.json").read_text())
    assert info["language_info"]["version"] == lock["version"] and info["protocol_version"] == "5.5", info
    assert info["language_info"]["file_extension"] == ".ts" and info["implementation"] == "qlora", info


@check
def a_silent_cell_says_nothing_and_is_not_counted(k):
    before = k.run("1").reply["execution_count"]
    cell = k.run("globalThis.silently = 5; 6", silent=True)
    kinds = {kind for kind, _ in cell.messages}
    assert cell.status == "ok" and not kinds & {"execute_input", "execute_result"}, cell.messages
    failed = k.run("throw new Error('quiet')", silent=True)
    assert failed.reply["evalue"] == "quiet" and not failed.contents("error"), failed.messages
    after = k.run("(globalThis as any).silently")
    assert after.result == "5" and after.reply["execution_count"] == before + 1


@check
def a_cell_that_is_not_stored_shows_its_result_and_is_not_counted(k):
    before = k.run("1").reply["execution_count"]
    cell = k.run("'shown'", store_history=False)
    assert cell.result == "'shown'" and cell.reply["execution_count"] == before
    assert k.run("1").reply["execution_count"] == before + 1


@check
def an_error_aborts_the_cells_sent_with_it_or_not_as_they_ask(k):
    for stop in [True, False]:
        # The second has arrived long before the first fails.
        code = "await new Promise((done) => setTimeout(done, 500)); throw new Error('first')"
        first = k.client.execute(code, stop_on_error=stop)
        second = k.client.execute("'second'")
        assert k.finish(first).reply["evalue"] == "first"
        cell = k.finish(second)
        assert cell.status == ("aborted" if stop else "ok") and cell.result == (None if stop else "'second'"), stop


@check
def a_cell_sent_within_200_ms_after_an_error_runs(k):
    for pause in [0, 0.02, 0.1, 0.15]:
        assert k.run("throw new Error('x')").status == "error"
        time.sleep(pause)
        assert k.run("'runs'").result == "'runs'", pause


@check
def percent_signs_mean_nothing(k):
    for code in ["%%time\n1", "%matplotlib inline", "!ls"]:
        cell = k.run(code)
        assert cell.status == "error" and cell.contents("error"), (code, cell.messages)
    assert k.run("7 % 4").result == "3"


@check
def heartbeat_control_and_completion_answer_in_a_busy_loop_of_10_s(k):
    k.run("const busy = { name: 1 }")
    info = k.client.get_connection_info()
    heart = zmq.Context.instance().socket(zmq.REQ)
    heart.connect(f"tcp://{info['ip']}:{info['hb_port']}")
    cell = k.client.execute("const end = Date.now() + 10_000\nwhile (Date.now() < end) {}\n'over'")
    started = time.time()
    beats, completions, controls = [], [], []

    def timed(times, act):
        start = time.time()
        act()
        times.append(time.time() - start)

    def beat():
        heart.send(b"ping")
        assert heart.poll(5000) and heart.recv() == b"ping"

    def complete():
        assert k.reply(k.client.complete("busy.na", 7))["matches"] == ["name"]

    while time.time() - started < 9:
        timed(beats, beat)
        timed(completions, complete)
        timed(controls, lambda: ask(k, "kernel_info_request", "control"))
        time.sleep(0.2)
    heart.close(0)
    assert k.finish(cell).result == "'over'"
    # Medians: another process may take the processor from any one of them.
    seen = {"beats": beats, "completions": completions, "controls": controls}
    assert len(beats) > 10 and all(times for times in seen.values()), seen
    assert statistics.median(beats) < 0.05 and statistics.median(completions) < 0.2, seen


def signed(k, header, *parts, key=None):
    """The frames of a message, from the texts of its parts."""
    texts = [header, *parts]
    digest = hmac.new(key or k.client.session.key, digestmod=hashlib.sha256)
    for text in texts:
        digest.update(text)
    return [b"<IDS|MSG>", digest.hexdigest().encode(), *texts]


def header(kind, number):
    about = {"msg_id": str(number), "session": "s", "username": "u", "date": "", "version": "5.5", "msg_type": kind}
    return json.dumps(about).encode()


def dealer(k):
    socket = zmq.Context.instance().socket(zmq.DEALER)
    info = k.client.get_connection_info()
    socket.connect(f"tcp://{info['ip']}:{info['shell_port']}")
    return socket


@check
def missing_wrong_and_replayed_signatures_are_dropped(k):
    socket = dealer(k)
    good = signed(k, header("kernel_info_request", 1), b"{}", b"{}", b"{}")
    socket.send_multipart([good[0], b"", *good[2:]])
    socket.send_multipart(signed(k, *good[2:], key=b"another"))
    socket.send_multipart([*good[:5], b'{"a":1}'])
    socket.send_multipart(good)
    assert socket.poll(20_000)
    reply = socket.recv_multipart()
    assert json.loads(reply[3])["msg_id"] == "1", reply
    socket.send_multipart(good)
    socket.send_multipart(signed(k, header("comm_info_request", 2), b"{}", b"{}", b"{}"))
    # What is answered next is the next message: neither the replay nor what came before.
    assert socket.poll(20_000)
    assert json.loads(socket.recv_multipart()[3])["msg_id"] == "2"
    assert not socket.poll(300)
    socket.close(0)


@check
def ten_thousand_signed_mutations_do_not_kill_it(k):
    fuzzed = Kernel(MAIN, CWD, stderr=subprocess.DEVNULL)
    socket = dealer(fuzzed)
    chance = random.Random(1)
    odd = [None, 5, -1, 1e308, "", "\ud800", "x" * 1000, [], {}, True, [[]], {"a": {}}]
    kinds = {
        "kernel_info_request": {},
        "complete_request": {"code": "ab.c", "cursor_pos": 2},
        "inspect_request": {"code": "ab.c", "cursor_pos": 2, "detail_level": 0},
        "is_complete_request": {"code": "f("},
        "history_request": {"hist_access_type": "range", "n": 1, "session": 0, "start": 0, "stop": 5, "pattern": "*"},
        "comm_info_request": {"target_name": "x"},
        "comm_open": {"comm_id": "c", "target_name": "x", "data": {}},
        "comm_msg": {"comm_id": "c", "data": {}},
        "debug_request": {"type": "request", "seq": 1, "command": "debugInfo", "arguments": {}},
        "execute_request": {"code": "1", "silent": False, "store_history": True, "user_expressions": {}},
        "create_subshell_request": {},
        "delete_subshell_request": {"subshell_id": "s"},
        "interrupt_request": {},
    }
    try:
        for number in range(10_000):
            kind = chance.choice(list(kinds))
            content = dict(kinds[kind])
            for name in list(content):
                if chance.random() < 0.5:
                    content[name] = chance.choice(odd)
            parts = [header(kind, number), b"{}", b"{}", json.dumps(content).encode()]
            if chance.random() < 0.5:
                at = chance.randrange(4)
                text = bytearray(parts[at])
                text[chance.randrange(len(text))] = chance.randrange(256)
                parts[at] = bytes(text)
            frames = signed(fuzzed, *parts)
            if chance.random() < 0.2:
                del frames[chance.randrange(len(frames))]
            socket.send_multipart(frames)
            while socket.poll(0):
                socket.recv_multipart()
        # All of them have come when the last one is answered; their cells may yet abort another.
        socket.send_multipart(signed(fuzzed, header("kernel_info_request", "last"), b"{}", b"{}", b"{}"))
        answered = None
        while answered != "last":
            assert socket.poll(60_000)
            answered = json.loads(socket.recv_multipart()[3]).get("msg_id")
        fuzzed.run("1")
        assert fuzzed.run("'alive'").result == "'alive'"
        assert fuzzed.manager.is_alive()
    finally:
        socket.close(0)
        fuzzed.manager.shutdown_kernel(now=True)


def listening(pid):
    """The addresses, in hexadecimal, at which a process listens."""
    inodes = {link.readlink().name for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    found = set()
    for table in ["tcp", "tcp6"]:
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in inodes:
                found.add(words[1])
    return found


@check
def it_listens_only_where_the_connection_file_says(k):
    info = k.client.get_connection_info()
    ports = [info[f"{name}_port"] for name in ["shell", "iopub", "stdin", "control", "hb"]]
    assert info["ip"] == "127.0.0.1"
    assert listening(k.manager.provisioner.process.pid) == {f"0100007F:{port:04X}" for port in ports}


@check
def types_of_node_that_npm_has_hoisted_are_found_from_any_folder(k):
    packages = CWD / "hoisted" / "node_modules"
    (packages / "@types").mkdir(parents=True)
    main = Path(MAIN)
    shutil.copytree(main.parent, packages / "qlora" / main.parent.name)
    shutil.copy(ROOT / "package.json", packages / "qlora")
    shutil.copytree(ROOT / "node_modules/tslab", packages / "tslab", ignore=shutil.ignore_patterns("node_modules"))
    shutil.copytree(ROOT / "node_modules/tslab/node_modules/@types/node", packages / "@types/node")
    for name in ["typescript", "zeromq"]:
        (packages / name).symlink_to(ROOT / "node_modules" / name)
    away = CWD / "away"
    away.mkdir()
    kernel = Kernel(packages / "qlora" / main.parent.name / "main.js", away)
    try:
        assert kernel.run("console.log(process.argv0.length > 0)").stdout == "true\n"
        assert kernel.run('import { sep } from "node:path"\nsep.length').result == "1"
        assert kernel.run("sep.nothing").reply["ename"] == "TypeScriptError"
    finally:
        kernel.manager.shutdown_kernel(now=True)


@check
def a_typescript_of_the_notebooks_folder_is_not_the_kernels(k):
    folder = CWD / "newest"
    (folder / "node_modules/typescript").mkdir(parents=True)
    (folder / "node_modules/typescript/package.json").write_text('{ "name": "typescript", "version": "7.0.0" }')
    (folder / "node_modules/typescript/index.js").write_text("throw new Error('loaded')")
    kernel = Kernel(MAIN, folder)
    try:
        assert kernel.run("const n: number = 1\nn").result == "1"
    finally:
        kernel.manager.shutdown_kernel(now=True)


run_checks()
