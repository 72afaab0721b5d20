"""How a real kernel lives and dies: huge frames, a parent that is gone, subscribers."""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time

from checks import CWD, MAIN, check, run_checks
from harness import Kernel


def gone(pid, seconds=20):
    """Waits for a process to end; a zombie has."""
    deadline = time.time() + seconds
    while time.time() < deadline:
        try:
            with open(f"/proc/{pid}/stat") as stat:
                if stat.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return True
        except FileNotFoundError:
            return True
        time.sleep(0.1)
    return False


def announced(port, size):
    """Speaks just enough ZMTP to announce a frame of that size; True if the kernel then hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as peer:
        peer.sendall(b"\xff" + b"\0" * 8 + b"\x7f\x03\x00NULL" + b"\0" * 48)
        received = b""
        while len(received) < 64:
            received += peer.recv(4096)
        ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER"
        peer.sendall(bytes([4, len(ready)]) + ready)
        time.sleep(0.3)
        peer.sendall(b"\x02" + struct.pack(">Q", size))
        try:
            peer.sendall(b"x" * 1000)
            while peer.recv(65536):
                pass
        except (ConnectionError, BrokenPipeError):
            pass
        return True


@check
def frames_of_a_gigabyte_and_of_an_absurd_size_are_hung_up_on(k):
    info = k.client.get_connection_info()
    pid = k.manager.provisioner.process.pid
    for port in ["shell_port", "control_port", "hb_port", "stdin_port", "iopub_port"]:
        for size in [1 << 30, 1 << 62]:
            assert announced(info[port], size), (port, size)
    with open(f"/proc/{pid}/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    assert peak < 700_000, f"{peak} kB"
    assert k.run("1 + 1").result == "2"


@check
def a_message_of_forty_megabytes_is_taken(k):
    cell = k.run(f"'{'x' * 40_000_000}'.length")
    assert cell.result == "40000000", cell.reply


@check
def a_subscriber_is_welcomed(k):
    import zmq

    info = k.client.get_connection_info()
    subscriber = zmq.Context.instance().socket(zmq.SUB)
    subscriber.connect(f"tcp://127.0.0.1:{info['iopub_port']}")
    subscriber.setsockopt(zmq.SUBSCRIBE, b"")
    assert subscriber.poll(20_000)
    frames = subscriber.recv_multipart()
    header, content = (json.loads(frames[frames.index(b"<IDS|MSG>") + i]) for i in (2, 5))
    assert header["msg_type"] == "iopub_welcome" and content == {"subscription": ""}, frames
    subscriber.close(0)


@check
def a_question_mark_asks_for_help(k):
    k.run("function plusOne(n: number) { return n + 1 }")
    for code in ["?plusOne", "plusOne?", " plusOne? "]:
        reply = k.run(code).reply
        page = reply["payload"][0]
        assert reply["status"] == "ok" and page["source"] == "page" and page["start"] == 0, reply
        assert "plusOne" in page["data"]["text/plain"], page
    assert "not found" in k.run("?nothingOfThatName").reply["payload"][0]["data"]["text/plain"]


PARENT = """
import os, subprocess, sys
kernel = subprocess.Popen(
    ["node", "--no-force-async-hooks-checks", sys.argv[1], sys.argv[2]],
    env={**os.environ, "JPY_PARENT_PID": str(os.getpid()), "JUPYTER_DATA_DIR": sys.argv[3]},
)
print(kernel.pid, flush=True)
sys.stdin.read()
"""


def orphan(k, name, code=None):
    """Starts a kernel by a process that is then killed; the kernel's pid."""
    from jupyter_client import BlockingKernelClient
    from jupyter_client.connect import write_connection_file

    file, _ = write_connection_file(str(CWD / name))
    command = [sys.executable, "-c", PARENT, MAIN, file, str(CWD)]
    parent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    pid = int(parent.stdout.readline())
    client = BlockingKernelClient(connection_file=file)
    client.load_connection_file()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    if code is not None:
        client.execute(code)
        time.sleep(0.5)
    parent.kill()
    parent.wait()
    client.stop_channels()
    return pid


@check
def a_kernel_whose_parent_is_gone_ends(k):
    assert gone(orphan(k, "idle.json"))


@check
def also_in_the_middle_of_a_busy_loop(k):
    assert gone(orphan(k, "busy.json", "while (true) {}"))


@check
def sigterm_ends_it_while_a_cell_spins(k):
    k.client.execute("while (true) {}")
    time.sleep(0.5)
    pid = k.manager.provisioner.process.pid
    os.kill(pid, signal.SIGTERM)
    assert gone(pid)


SAVES = """
import {{ writeFileSync }} from 'node:fs'
await new Promise<unknown>((done: any) => process.once('SIGTERM', () => setTimeout(() => {{
  writeFileSync('{file}', 'saved')
  {end}
}}, 500)) && writeFileSync('{file}.listens', ''))
"""


def saves(name, stop, end="done()"):
    """Whether a cell that listens to SIGTERM, and needs half a second then, wrote its file before the process ended."""
    kernel = Kernel(MAIN, CWD)
    try:
        cells = int(kernel.run("process.pid").result)
        kernel.client.execute(SAVES.format(file=CWD / name, end=end))
        while not (CWD / f"{name}.listens").exists():
            time.sleep(0.1)
        stop(kernel, cells)
        return gone(cells) and gone(kernel.manager.provisioner.process.pid) and (CWD / name).exists()
    finally:
        kernel.manager.shutdown_kernel(now=True)


@check
def a_cell_that_listens_to_sigterm_saves_before_the_end(k):
    def both(kernel, cells):
        for _ in range(2):
            for pid in [kernel.manager.provisioner.process.pid, cells]:
                os.kill(pid, signal.SIGTERM)
            time.sleep(0.1)

    assert saves("shutdown", lambda kernel, _: kernel.client.shutdown())
    assert saves("sigterm", both)
    assert saves("killed", lambda kernel, _: kernel.manager.provisioner.process.kill())
    assert saves("kills-itself", both, "process.kill(process.pid, 'SIGTERM'); done()")


@check
def a_listener_of_an_earlier_cell_delays_nothing(k):
    kernel = Kernel(MAIN, CWD)
    kernel.run("process.once('SIGTERM', () => {})")
    begun = time.time()
    kernel.manager.provisioner.process.terminate()
    assert gone(kernel.manager.provisioner.process.pid) and time.time() - begun < 10
    kernel.manager.shutdown_kernel(now=True)


run_checks()
