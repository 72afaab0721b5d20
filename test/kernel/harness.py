"""A kernel started by Jupyter's own client, and what it says about a cell."""

import os
import threading
import uuid
from pathlib import Path

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager


class Cell:
    """Everything the kernel said about one execute_request."""

    def __init__(self, reply, messages):
        self.reply = reply
        self.status = reply["status"]
        self.messages = messages

    def contents(self, kind):
        return [content for name, content in self.messages if name == kind]

    @property
    def result(self):
        found = self.contents("execute_result")
        return found[0]["data"]["text/plain"] if found else None

    @property
    def stdout(self):
        return "".join(c["text"] for c in self.contents("stream") if c["name"] == "stdout")


class Kernel:
    """Its history lies in `data`, by default the cell's own folder: never the user's."""

    def __init__(self, main, cwd, data=None, env=None, **options):
        # Named as Jupyter's server names them.
        self.manager = KernelManager(connection_file=str(Path(cwd) / f"kernel-{uuid.uuid4()}.json"))
        self.manager._kernel_spec = KernelSpec(
            argv=["node", "--no-force-async-hooks-checks", str(main), "{connection_file}"],
            display_name="TypeScript",
            language="typescript",
            interrupt_mode="message",
        )
        given = {**os.environ, "JUPYTER_DATA_DIR": str(data or cwd), **(env or {})}
        self.manager.start_kernel(cwd=str(cwd), env=given, **options)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.others = []

    def finish(self, message_id, timeout=60):
        messages = []
        while True:
            message = self.client.get_iopub_msg(timeout=timeout)
            entry = (message["msg_type"], message["content"])
            if message["parent_header"].get("msg_id") != message_id:
                self.others.append((message["parent_header"].get("msg_id"), *entry))
            elif entry[1].get("execution_state") == "idle":
                break
            else:
                messages.append(entry)
        return Cell(self.reply(message_id, timeout), messages)

    def reply(self, message_id, timeout=20):
        while True:
            message = self.client.get_shell_msg(timeout=timeout)
            if message["parent_header"].get("msg_id") == message_id:
                return message["content"]

    def run(self, code, interrupt_after=None, **options):
        message_id = self.client.execute(code, **options)
        timer = threading.Timer(interrupt_after or 0, self.manager.interrupt_kernel)
        if interrupt_after is not None:
            timer.start()
        cell = self.finish(message_id)
        timer.cancel()
        return cell

    def interrupted(self, code, after=0.3):
        cell = self.run(code, interrupt_after=after)
        assert cell.status == "error" and cell.reply["ename"] == "KeyboardInterrupt", cell.reply
        return cell
