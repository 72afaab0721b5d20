"""`chat(model, tokenizer)` over a real kernel: what a browser's panel sends, and what the notebook keeps."""

import re
import shutil
import time
from pathlib import Path

from checks import CWD, check, run_checks

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "test/parity/golden"

for name in ("tokenizer.json", "tokenizer_config.json"):
    shutil.copy(GOLDEN / "preference" / name, CWD / name)

SET_UP = f"""
import {{ AutoModelForCausalLM, AutoTokenizer, chat }} from '{ROOT}/dist/index.js'
const model = await AutoModelForCausalLM.from_pretrained('{GOLDEN}/tiny-llama')
const tokenizer = await AutoTokenizer.from_pretrained('{CWD}')
const slow = (ids: readonly number[], scores: Float32Array) => {{
  // No loop: an interrupt would end it, and not the answer.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 40)
  return scores
}}
"""


def send(k, kind, **content):
    message = k.client.session.msg(kind, content)
    k.client.session.send(k.client.shell_channel.socket, message)
    return message["header"]["msg_id"]


def opened(k, options="{ max_new_tokens: 5, eos_token_id: [] }"):
    """Runs a cell with a panel; the panel's id and the outputs of the cell."""
    cell = k.run(f"const panel = await chat(model, tokenizer, {options})")
    assert cell.status == "ok", cell.reply
    shown = cell.contents("display_data")
    panel = re.search(r'id="qlora-chat-([0-9a-f-]+)"', shown[1]["data"]["text/html"]).group(1)
    return panel, shown


def collect(k, done, seconds=60):
    """What is published until `done` of all of it is true."""
    seen = []
    end = time.monotonic() + seconds
    while not done(seen):
        assert time.monotonic() < end, seen[-5:]
        message = k.client.get_iopub_msg(timeout=seconds)
        seen.append((message["msg_type"], message["content"]))
    return seen


def states(seen):
    return [c["data"].get("state") for kind, c in seen if kind == "comm_msg"]


def transcript(seen):
    return [c["data"] for kind, c in seen if kind == "update_display_data"][-1]


def connect(k, panel):
    send(k, "comm_open", comm_id="browser", target_name="qlora.chat", data={"panel": panel})
    collect(k, lambda seen: states(seen) == ["ready"])


@check
def what_a_browser_sends_is_answered_and_kept_as_html_and_text(k):
    assert k.run(SET_UP).status == "ok"
    panel, shown = opened(k)
    kernel = Path(k.manager.connection_file).stem.removeprefix("kernel-")
    assert f'"{panel}","{kernel}","qlora.chat")</script>' in shown[1]["data"]["text/html"], shown[1]
    assert " hidden>" in shown[1]["data"]["text/html"]
    assert shown[0]["data"]["text/plain"] == "(nothing said yet)"
    connect(k, panel)
    send(k, "comm_msg", comm_id="browser", data={"say": "a <b>"})
    seen = collect(k, lambda seen: states(seen) == ["busy", "ready"])
    answer = k.run("panel.conversation.messages[1].content").result
    said = transcript(seen)
    assert said["text/plain"].startswith("You: a <b>\nModel: ") and len(answer) > 2, (said, answer)
    assert "a &lt;b&gt;" in said["text/html"] and "<b>" not in said["text/html"]
    # The one output that was shown is kept up to date.
    ids = {c["transient"]["display_id"] for kind, c in seen if kind == "update_display_data"}
    assert ids == {shown[0]["transient"]["display_id"]}
    expected = "tokenizer.decode((await model.generate({ input_ids: [(await tokenizer.apply_chat_template("
    expected += "[{ role: 'user', content: 'a <b>' }], { add_generation_prompt: true })).input_ids] }, "
    expected += "{ max_new_tokens: 5, eos_token_id: [] }))[0].slice(-5), { skip_special_tokens: true })"
    assert k.run(f"await {expected}").result == answer


@check
def a_cell_says_something_too_and_a_new_conversation_begins(k):
    assert k.run(SET_UP).status == "ok"
    panel, _ = opened(k)
    cell = k.run("const first = await panel.say('from a cell')\npanel.conversation.messages.length")
    assert cell.result == "2", cell.reply
    assert cell.contents("update_display_data")[-1]["data"]["text/plain"].startswith("You: from a cell\nModel: ")
    connect(k, panel)
    send(k, "comm_msg", comm_id="browser", data={"reset": True})
    seen = collect(k, lambda seen: any(kind == "update_display_data" for kind, _ in seen))
    assert transcript(seen)["text/plain"] == "(nothing said yet)"


@check
def stop_and_an_interrupt_keep_what_was_made(k):
    assert k.run(SET_UP).status == "ok"
    panel, _ = opened(k, "{ max_new_tokens: 150, eos_token_id: [], logits_processor: [slow] }")
    connect(k, panel)
    grows = lambda seen: sum(kind == "update_display_data" for kind, _ in seen) >= 3  # noqa: E731
    ways = [lambda: send(k, "comm_msg", comm_id="browser", data={"stop": True}), k.manager.interrupt_kernel]
    for i, end in enumerate(ways):
        send(k, "comm_msg", comm_id="browser", data={"say": f"text {i}"})
        collect(k, grows)
        end()
        collect(k, lambda seen: "ready" in states(seen), 20)
        made = k.run(f"String(panel.conversation.messages[{2 * i + 1}]!.content).length")
        assert made.status == "ok" and 0 < int(made.result) < 800, (i, made.reply)
    # In a cell, the interrupt ends the answer, and the cell goes on with it.
    cell = k.run("const kept = await panel.say('once more')\nkept.length", interrupt_after=1.5)
    assert cell.status == "ok" and int(cell.result) > 0, cell.reply


@check
def a_failure_is_shown_and_a_closed_panel_hides_its_field(k):
    assert k.run(SET_UP).status == "ok"
    k.run("const broken = () => { throw new Error('it broke') }")
    panel, _ = opened(k, "{ max_new_tokens: 5, logits_processor: [broken] }")
    connect(k, panel)
    send(k, "comm_msg", comm_id="browser", data={"say": "x"})
    seen = collect(k, lambda seen: states(seen) == ["busy", "ready"])
    assert transcript(seen)["text/plain"] == "it broke", transcript(seen)["text/plain"]
    assert k.run("panel.conversation.messages.length").result == "0"
    message_id = k.client.execute("panel.dispose()")
    collect(k, lambda seen: any(kind == "comm_close" for kind, _ in seen))
    k.reply(message_id)
    send(k, "comm_open", comm_id="late", target_name="qlora.chat", data={"panel": panel})
    collect(k, lambda seen: any(kind == "comm_close" and c["comm_id"] == "late" for kind, c in seen))


run_checks()
