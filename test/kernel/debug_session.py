"""A frontend's debug session with a kernel, as JupyterLab's panel has it."""


class Debug:
    """One frontend's debug session."""

    def __init__(self, kernel):
        self.kernel = kernel
        self.client = kernel.client
        self.seq = 0

    def ask(self, command, timeout=30, **arguments):
        self.seq += 1
        content = {"type": "request", "seq": self.seq, "command": command, "arguments": arguments}
        message = self.client.session.msg("debug_request", content)
        self.client.control_channel.send(message)
        while True:
            reply = self.client.get_control_msg(timeout=timeout)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                break
        assert reply["msg_type"] == "debug_reply" and reply["content"]["request_seq"] == self.seq, reply
        return reply["content"]

    def get(self, command, **arguments):
        reply = self.ask(command, **arguments)
        assert reply["success"], reply
        return reply["body"]

    def event(self, name, timeout=30):
        while True:
            message = self.client.get_iopub_msg(timeout=timeout)
            if message["msg_type"] == "debug_event" and message["content"]["event"] == name:
                return message["content"]["body"]

    def start(self, code, lines):
        """Sends a cell with breakpoints on those lines; returns its message's id and its path."""
        path = self.get("dumpCell", code=code)["sourcePath"]
        found = self.get("setBreakpoints", source={"path": path}, breakpoints=[{"line": line} for line in lines])
        assert all(point["verified"] for point in found["breakpoints"]), found
        assert self.get("configurationDone") == {}
        return self.client.execute(code), path

    def frames(self):
        return self.get("stackTrace", threadId=1)["stackFrames"]

    def place(self):
        top = self.frames()[0]
        return top["name"], top["line"]

    def variables(self, scope="Locals", frame=0):
        scopes = self.get("scopes", frameId=self.frames()[frame]["id"])["scopes"]
        reference = next(s["variablesReference"] for s in scopes if s["name"] == scope)
        return self.list(reference)

    def list(self, reference):
        return {v["name"]: v for v in self.get("variables", variablesReference=reference)["variables"]}

    def step(self, command):
        self.get(command, threadId=1)
        assert self.event("stopped")["reason"] == "step"
        return self.place()

    def go_on(self, cell):
        self.get("continue", threadId=1)
        return self.kernel.finish(cell)


def attached(kernel):
    debug = Debug(kernel)
    if not debug.get("debugInfo")["isStarted"]:
        debug.get("initialize", clientID="test")
        debug.get("attach")
        debug.event("initialized")
    return debug
