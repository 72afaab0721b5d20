"""Training in a real kernel: stopped by an interrupt, taken up by the next cell, watched from another one; values shown."""

import json
import time
from pathlib import Path

from checks import CWD, MAIN, check, run_checks
from harness import Kernel

ROOT = Path(__file__).resolve().parents[2]


def byte_level_tokenizer(folder):
    """One token a byte; the characters that stand for bytes as in GPT-2."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    characters = {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}
    vocabulary = {characters[byte]: byte for byte in range(256)} | {"<s>": 256, "</s>": 257}
    special = [
        {
            "id": i,
            "content": t,
            "special": True,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
        }
        for t, i in vocabulary.items()
        if i > 255
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    model = {"type": "BPE", "vocab": vocabulary, "merges": []}
    parts = {"added_tokens": special, "pre_tokenizer": byte_level, "decoder": byte_level, "model": model}
    (folder / "tokenizer.json").write_text(json.dumps({"version": "1.0", **parts}))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


byte_level_tokenizer(CWD)

SET_UP = f"""
import {{ readFileSync }} from 'node:fs'
import {{ AutoModelForCausalLM, AutoTokenizer, Dataset, LoraConfig, SFTConfig, SFTTrainer, Tensor, watch }}
  from '{ROOT}/dist/index.js'
const tokenizer = await AutoTokenizer.from_pretrained('{CWD}')
const train_dataset = Dataset.from_list(Array.from({{ length: 10 }}, (_, i) => ({{ text: 'hello world '.repeat(1 + i) }})))
const peft_config = new LoraConfig({{ r: 4, lora_dropout: 0.1, target_modules: ['q_proj', 'v_proj'] }})
async function make(max_steps: number, name: string) {{
  const model = await AutoModelForCausalLM.from_pretrained('{ROOT}/test/parity/golden/tiny-llama')
  const args = new SFTConfig({{
    output_dir: '{CWD}/' + name, max_steps, per_device_train_batch_size: 2, gradient_accumulation_steps: 2,
    learning_rate: 1e-3, bf16: false, logging_steps: 5, save_strategy: 'no', gradient_checkpointing: false,
  }})
  return new SFTTrainer({{ model, args, train_dataset, processing_class: tokenizer, peft_config }})
}}
const bytes = async (trainer: SFTTrainer) => {{
  await trainer.model.save_pretrained('{CWD}/saved')
  return readFileSync('{CWD}/saved/adapter_model.safetensors').toString('hex')
}}
"""


def shown(cell):
    assert cell.status == "ok", cell.reply
    return cell.contents("execute_result")[0]["data"]


@check
def set_up(k):
    cell = k.run(SET_UP)
    assert cell.status == "ok", cell.reply


@check
def an_interrupt_stops_training_and_the_next_cell_goes_on_with_the_same_bits(k):
    k.run("const trainer = await make(400, 'stopped')")
    for _ in range(3):
        cell = k.run(
            "const output = await trainer.train()\n;[output.stopped, output.global_step < 400]", interrupt_after=0.2
        )
        assert cell.status == "ok" and cell.result == "[ true, true ]", (cell.reply, cell.result)
        assert k.run("(await bytes(trainer)).length > 1000").result == "true"
    cell = k.run("const last = await trainer.train()\n;[last.stopped, last.global_step, trainer.status().training]")
    assert cell.result == "[ false, 400, false ]", (cell.reply, cell.result)
    k.run("const whole = await make(400, 'whole')\nawait whole.train()")
    assert k.run("await bytes(trainer) === await bytes(whole)").result == "true"
    losses = "const losses = (t: SFTTrainer) => JSON.stringify(t.state.log_history.map((row) => row.loss))\n"
    assert k.run(losses + "losses(trainer) === losses(whole)").result == "true"
    assert k.run("trainer.state.log_history.length").result == "81"


@check
def the_chart_of_a_run_that_goes_on_begins_with_its_earlier_steps(k):
    k.run("const again = await make(300, 'chart')")
    k.run("await again.train()", interrupt_after=0.5)
    done = int(k.run("again.state.global_step").result)
    cell = k.run("await again.train()")
    updates = [c["data"]["text/plain"] for c in cell.contents("update_display_data")]
    assert any(text.startswith("Training, steps 5 to 300") for text in updates), updates
    bars = [c["data"]["text/plain"] for c in cell.contents("display_data")]
    assert any(f"step {done} of 300" in text for text in bars), bars


@check
def a_shutdown_in_the_middle_of_training_leaves_a_checkpoint(k):
    other = Kernel(MAIN, CWD)
    try:
        other.run(SET_UP.replace("save_strategy: 'no'", "save_strategy: 'steps', save_steps: 100_000"))
        other.client.execute("await (await make(100_000, 'ended')).train()")
        while other.client.get_iopub_msg(timeout=60)["msg_type"] != "update_display_data":
            pass
        other.client.shutdown()
        deadline = time.time() + 20
        while not list((CWD / "ended").glob("checkpoint-*/adapter_model.safetensors")):
            assert time.time() < deadline
            time.sleep(0.1)
    finally:
        other.manager.shutdown_kernel(now=True)


@check
def an_interrupt_ends_an_evaluation(k):
    k.run("const large = Dataset.from_list(Array.from({ length: 20_000 }, () => ({ text: 'hello world' })))")
    started = time.time()
    cell = k.run("await trainer.evaluate(large)", interrupt_after=0.5)
    assert cell.status == "error" and time.time() - started < 10, cell.reply
    assert k.run("1").result == "1"


@check
def a_panel_that_watches_moves_while_a_cell_trains(k):
    k.run("const watched = await make(300, 'watched')")
    cell = k.run(
        "watch(watched, { interval: 0.2 })\nawait watched.train()\nawait new Promise((r) => setTimeout(r, 300))"
    )
    frames = [c for c in cell.contents("update_display_data") if "process" in c["data"]["text/plain"]]
    states = [c["data"]["text/plain"].split(":")[0] for c in frames]
    assert len({c["transient"]["display_id"] for c in frames}) == 1
    assert "training" in states and states[-1] == "ended", states
    assert "loss" in frames[-1]["data"]["text/plain"] and "tokens/s" in frames[-1]["data"]["text/html"], frames[-1]


def beside(k, subshell, code):
    """Runs a cell of a subshell."""
    content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
    message = k.client.session.msg("execute_request", content)
    message["header"]["subshell_id"] = subshell
    k.client.shell_channel.send(message)
    return k.finish(message["header"]["msg_id"])


@check
def a_subshell_reads_loss_and_memory_while_a_cell_trains(k):
    k.run("const live = await make(100_000, 'live')")
    k.client.control_channel.send(k.client.session.msg("create_subshell_request"))
    subshell = k.client.get_control_msg(timeout=20)["content"]["subshell_id"]
    training = k.client.execute("await live.train()")
    steps = []
    while len(steps) < 2 or steps[-1] <= steps[0]:
        time.sleep(0.2)
        cell = beside(
            k,
            subshell,
            "const s = live.status()\n;[s.training, s.global_step, s.loss! > 0, s.device_memory.allocated > 0]",
        )
        seen = json.loads(cell.result.replace("undefined", "null"))
        if seen[1]:
            assert seen[0] and seen[2] and seen[3], seen
            steps.append(seen[1])
    panel = beside(k, subshell, "watch(live)").contents("display_data")
    assert any("training: step" in c["data"]["text/plain"] for c in panel), panel
    k.manager.interrupt_kernel()
    assert k.finish(training).status == "ok"
    assert k.run("live.status().training").result == "false"


@check
def tensors_models_data_sets_and_results_show_themselves(k):
    tensor = shown(k.run("Tensor.from([1.5, -2], { shape: [1, 2] })"))
    assert tensor["text/plain"] == "tensor([[ 1.5000, -2.0000]], shape=(1, 2), dtype=float32, device=cpu)", tensor
    model = shown(k.run("trainer.model"))
    assert model["text/plain"].startswith("PeftModelForCausalLM("), model
    assert "trainable%" in model["text/html"], model
    data = shown(k.run("train_dataset"))
    assert "num_rows: 10" in data["text/plain"] and "<table>" in data["text/html"], data
    result = shown(k.run("last"))
    assert "global_step: 400" in result["text/plain"] and "TrainOutput" in result["text/html"], result
    log = shown(k.run("trainer.state.log_history"))
    assert "<th>loss</th>" in log["text/html"], log
    assert k.run("trainer").result.startswith("ended: step 400 of 400"), k.run("trainer").result
    assert k.run("console.log(trainer.model, Tensor.from([1]))").stdout.endswith("device=cpu)\n")


@check
def an_error_as_a_value_has_the_cells_lines(k):
    text = shown(k.run("const bad = new TypeError('bad')\nbad"))["text/plain"].split("\n")
    assert text[0] == "TypeError: bad" and len(text) == 3, text
    assert text[1].endswith("line 1:  const bad = new TypeError('bad')") and text[2].endswith("line 1"), text


@check
def a_display_that_never_comes_can_be_interrupted(k):
    k.interrupted("({ [Symbol.for('Jupyter.display')]: () => new Promise(() => {}) })")
    assert k.run("1").result == "1"


run_checks()
