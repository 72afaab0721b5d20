"""Comms over a real kernel, with the contents and types that ipywidgets exchanges."""

import time

from checks import check, run_checks


def send(k, kind, buffers=None, metadata=None, **content):
    message = k.client.session.msg(kind, content, metadata=metadata)
    k.client.session.send(k.client.shell_channel.socket, message, buffers=buffers)
    return message["header"]["msg_id"]


def sent(k, message_id):
    """Everything published about a comm message, up to idle."""
    seen = []
    while True:
        message = k.client.get_iopub_msg(timeout=30)
        if message["parent_header"].get("msg_id") != message_id:
            continue
        if message["content"].get("execution_state") == "idle":
            return seen
        seen.append(message)


def of(messages, kind):
    return [message for message in messages if message["msg_type"] == kind]


def info(k, **content):
    message = k.client.session.msg("comm_info_request", content)
    k.client.shell_channel.send(message)
    reply = k.client.get_shell_msg(timeout=30)
    assert reply["msg_type"] == "comm_info_reply", reply
    return reply["content"]["comms"]


@check
def a_cell_opens_sends_and_closes(k):
    code = """const widget = new kernel.Comm('jupyter.widget', { state: { value: 3 }, buffer_paths: [['data']] },
  { comm_id: 'model-1', metadata: { version: '2.1.0' }, buffers: [new Uint8Array([1, 2, 3])] })
widget.send({ method: 'update', state: { value: 4 } })
widget.comm_id"""
    message_id = k.client.execute(code)
    seen = sent(k, message_id)
    opened, told = of(seen, "comm_open")[0], of(seen, "comm_msg")[0]
    assert opened["content"] == {
        "comm_id": "model-1",
        "target_name": "jupyter.widget",
        "data": {"state": {"value": 3}, "buffer_paths": [["data"]]},
    }, opened
    assert opened["metadata"] == {"version": "2.1.0"} and bytes(opened["buffers"][0]) == b"\1\2\3", opened
    assert told["content"] == {"comm_id": "model-1", "data": {"method": "update", "state": {"value": 4}}}, told
    k.reply(message_id)
    assert info(k) == {"model-1": {"target_name": "jupyter.widget"}}
    assert info(k, target_name="other") == {}
    message_id = k.client.execute("widget.close({ bye: 1 }); widget.close()")
    closed = of(sent(k, message_id), "comm_close")
    assert [c["content"] for c in closed] == [{"comm_id": "model-1", "data": {"bye": 1}}]
    k.reply(message_id)
    assert info(k) == {}


@check
def a_frontends_messages_reach_the_cells_handlers(k):
    k.run("""const got: any[] = []
kernel.comms.register_target('echo', (comm, opened) => {
  got.push(opened.content.data)
  comm.on_msg((message) => {
    console.log('handler', message.content.data.n)
    comm.send({ twice: message.content.data.n * 2 }, { buffers: message.buffers, metadata: message.metadata })
  })
  comm.on_close((message) => { got.push(message.content.data) })
})""")
    sent(k, send(k, "comm_open", comm_id="c1", target_name="echo", data={"first": True}))
    assert info(k, target_name="echo") == {"c1": {"target_name": "echo"}}
    seen = sent(k, send(k, "comm_msg", comm_id="c1", data={"n": 21}, buffers=[b"\7\0\7"], metadata={"m": 1}))
    answer = of(seen, "comm_msg")[0]
    assert answer["content"] == {"comm_id": "c1", "data": {"twice": 42}}, answer
    assert bytes(answer["buffers"][0]) == b"\7\0\7" and answer["metadata"] == {"m": 1}, answer
    assert of(seen, "stream")[0]["content"]["text"] == "handler 21\n", seen
    sent(k, send(k, "comm_close", comm_id="c1", data={"gone": 1}))
    assert info(k) == {}
    assert k.run("got").result == "[ { first: true }, { gone: 1 } ]"


@check
def an_unknown_target_is_closed_and_told(k):
    seen = sent(k, send(k, "comm_open", comm_id="c2", target_name="nobody", data={}))
    assert of(seen, "comm_close")[0]["content"] == {"comm_id": "c2", "data": {}}, seen
    assert "no target 'nobody'" in of(seen, "stream")[0]["content"]["text"], seen
    assert info(k) == {}


@check
def a_failing_handler_is_told_and_the_kernel_goes_on(k):
    k.run(
        "kernel.comms.register_target('bad', (comm) => comm.on_msg(async () => { throw new Error('handler broke') }))"
    )
    sent(k, send(k, "comm_open", comm_id="c3", target_name="bad", data={}))
    seen = sent(k, send(k, "comm_msg", comm_id="c3", data={}))
    assert "handler broke" in of(seen, "stream")[0]["content"]["text"], seen
    assert sent(k, send(k, "comm_msg", comm_id="nobody", data={}))[1:] == []
    assert k.run("1 + 1").result == "2"


@check
def a_cell_can_await_a_frontends_message(k):
    cell = k.client.execute("""const answer = await new Promise((done) =>
  kernel.comms.register_target('later', (comm, message) => done(message.content.data.value)))
answer""")
    time.sleep(0.5)
    send(k, "comm_open", comm_id="c4", target_name="later", data={"value": "from the frontend"})
    assert k.finish(cell).result == "'from the frontend'"


@check
def the_api_has_types_and_a_cell_may_reuse_its_name(k):
    assert k.run("kernel.comms.register_target(5, () => {})").reply["ename"] == "TypeScriptError"
    assert "register_target" in k.reply(k.client.complete("kernel.comms.", 13))["matches"]
    assert k.run("const kernel = 'mine'\nkernel.length").result == "4"
    assert k.run("kernel").result == "'mine'"


run_checks()
