"""What a cell may say, and where its output goes, seen by Jupyter's own client."""

import json
import os
import time

from checks import CWD, check, run_checks

NOTEBOOK = CWD / "notebook"
NOTEBOOK.mkdir(exist_ok=True)
clock = time.time() - 1e6


def write(name, text):
    """Each write has a later time, however fast they follow."""
    global clock
    clock += 10
    path = NOTEBOOK / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (clock, clock))


def package(folder, name, files, **fields):
    write(f"{folder}/node_modules/{name}/package.json", json.dumps({"name": name, "version": "1.0.0", **fields}))
    for file, text in files.items():
        write(f"{folder}/node_modules/{name}/{file}", text)


@check
def top_level_for_await_also_inside_blocks(k):
    k.run("async function* numbers() { yield 1; yield 2 }")
    assert k.run("for await (const n of numbers()) console.log(n)").stdout == "1\n2\n"
    assert k.run("if (true) { for await (const n of numbers()) { if (n > 1) console.log(n) } }").stdout == "2\n"
    assert k.run("let sum = 0\ntry { for await (const n of numbers()) sum += n } finally {}\nsum").result == "3"


@check
def export_in_every_form(k):
    k.run("export const a = 1\nexport function f() { return a }\nexport class C { c = 2 }\nexport interface I { i: 3 }")
    k.run(
        "export default 4\nexport type T = I['i']\nexport enum E { Five = 5 }\nconst six = 6\nexport { six as seven }"
    )
    assert k.run("const t: T = 3;\n[a, f(), new C().c, t, E.Five, six]").result == "[ 1, 1, 2, 3, 5, 6 ]"


@check
def require_dirname_and_filename(k):
    assert k.run("require('node:path').basename('/a/b')").result == "'b'"
    assert k.run("__dirname").result == f"'{NOTEBOOK}'"
    assert k.run("require('path').dirname(__filename) === __dirname").result == "true"
    write("table.json", '{ "rows": 1 }')
    assert k.run("require('./table.json').rows").result == "1"
    write("table.json", '{ "rows": 2 }')
    assert k.run("require('./table.json').rows").result == "2"


@check
def relative_helper_without_suffix(k):
    write("plain.ts", "export const version: number = 1\n")
    assert k.run('import { version } from "./plain"\nversion').result == "1"
    assert "toUpperCase" in k.run("version.toUpperCase()").reply["evalue"]


@check
def relative_helper_with_ts_suffix(k):
    write("suffixed.ts", "export const version = 'ts'\n")
    assert k.run('import { version as ts } from "./suffixed.ts"\nts').result == "'ts'"


@check
def relative_helper_with_js_suffix(k):
    write("typed.ts", "export const version = 'typed'\n")
    write("untyped.js", "exports.twice = (x) => 2 * x\n")
    write("folder/index.js", "export const place = 'index'\n")
    assert k.run('import { version as typed } from "./typed.js"\ntyped').result == "'typed'"
    assert k.run('import { twice } from "./untyped.js"\ntwice(4)').result == "8"
    assert k.run('import { place } from "./folder"\nplace').result == "'index'"
    assert k.run("place.nothing").reply["ename"] == "TypeScriptError"


@check
def changed_helper_is_loaded_anew_with_its_types(k):
    write("deep.ts", "export const depth = 1\n")
    write("outer.ts", 'import { depth } from "./deep"\nexport const twice = 2 * depth\n')
    assert k.run('import { twice } from "./outer"\ntwice').result == "2"
    write("deep.ts", "export const depth = 10\n")
    assert k.run('import { twice } from "./outer"\ntwice').result == "20"
    write("outer.ts", "export const twice = 'text'\n")
    assert k.run('import { twice } from "./outer"\ntwice.length').result == "4"
    write("outer.ts", "export const twice: number = 'text'\n")
    assert "outer.ts:1:14" in "".join(k.run('import { twice } from "./outer"').reply["traceback"])


@check
def helper_added_after_it_was_missing(k):
    assert "./missing" in k.run('import { found } from "./missing"').reply["evalue"]
    write("missing.ts", "export const found = true\n")
    assert k.run('import { found } from "./missing"\nfound').result == "true"


@check
def error_in_a_helper_has_the_helpers_line(k):
    write(
        "throws.ts",
        "interface Gone {\n  a: number\n}\n\nexport function fail(x: Gone) {\n  throw new Error('in helper')\n}\n",
    )
    frames = k.run('import { fail } from "./throws"\nfail({ a: 1 })').reply["traceback"]
    assert frames[1].endswith("line 2:  fail({ a: 1 })"), frames
    assert f"{NOTEBOOK}/throws.ts:6" in frames[2] and frames[3].endswith("line 2"), frames


@check
def helpers_loops_can_be_interrupted(k):
    write("spins.ts", "export function spin() {\n  try { for (;;) {} } finally { console.log('finally') }\n}\n")
    assert k.interrupted('import { spin } from "./spins"\nspin()').stdout == "finally\n"


@check
def packages_of_the_notebooks_folder_and_its_parents(k):
    package(
        ".",
        "near",
        {"main.js": "exports.near = 1", "main.d.ts": "export const near: number"},
        main="main.js",
        types="main.d.ts",
    )
    assert k.run('import { near } from "near"\nnear').result == "1"
    assert k.run("near.nothing").reply["ename"] == "TypeScriptError"
    package("..", "far", {"index.js": "module.exports = () => 'far'"})
    assert k.run("require('far')()").result == "'far'"
    assert k.run('import far from "far"\nfar()').result == "'far'"


@check
def es_only_package(k):
    files = {"index.js": "export default function f() { return 'es' }\nexport const named = 1\n"}
    package(".", "es-only", files, type="module", exports={".": {"import": "./index.js"}})
    assert k.run('import f, { named } from "es-only"\n[f(), named]').result == "[ 'es', 1 ]"
    assert k.run('import * as all from "es-only"\n[all.default(), all.named]').result == "[ 'es', 1 ]"
    assert k.run('(await import("es-only")).named').result == "1"
    assert k.run("f()").result == "'es'"


@check
def es_only_package_that_awaits_or_is_a_helpers(k):
    files = {"index.js": "export const later = await Promise.resolve('later')\n"}
    package(".", "awaits", files, type="module", exports="./index.js")
    write("uses.ts", 'import { later } from "awaits"\nexport const twice = later + later\n')
    assert k.run('import { twice } from "./uses"\ntwice').result == "'laterlater'"
    assert k.run('(await import("awaits")).later').result == "'later'"


@check
def es_only_package_with_types(k):
    files = {"index.js": "export const typed = 1\n", "index.d.ts": "export declare const typed: number\n"}
    package(".", "es-typed", files, type="module", exports={".": {"types": "./index.d.ts", "import": "./index.js"}})
    assert k.run('import { typed as number } from "es-typed"\nnumber.toFixed(1)').result == "'1.0'"
    assert k.run("number.length").reply["ename"] == "TypeScriptError"


@check
def import_call_of_what_node_requires(k):
    assert k.run('(await import("node:path")).default.basename("/a/b")').result == "'b'"
    assert k.run('const { basename } = await import("node:path")\nbasename("/c")').result == "'c'"
    write("called.ts", "export const called = 5\n")
    assert k.run('(await import("./called")).called').result == "5"
    assert k.run('await import("./nowhere" + "")').reply["evalue"].startswith("Cannot find module")


@check
def the_kernels_own_library_where_none_is_installed(k):
    assert k.run("import { LoraConfig } from 'qlora'\nnew LoraConfig({ r: 4 }).r").result == "4"
    assert k.run("(await import('qlora')).LoraConfig === LoraConfig").result == "true"
    cell = k.run("import { display } from 'qlora'\nawait display({ 'text/plain': 'once' })")
    shown = [content["data"]["text/plain"] for kind, content in cell.messages if "data" in content]
    assert cell.status == "ok" and shown == ["once"], cell.messages


@check
def output_is_cleared(k):
    cell = k.run("console.log(1)\nclear_output({ wait: true })\nconsole.log(2)\nclear_output()")
    assert [content["wait"] for content in cell.contents("clear_output")] == [True, False], cell.messages


@check
def npm_install_shows_what_npm_prints(k):
    write("local/package.json", '{ "name": "local-package", "version": "1.2.3", "main": "m.js", "types": "m.d.ts" }')
    write("local/m.js", "exports.local = 7")
    write("local/m.d.ts", "export declare const local: number")
    assert "local-package" in k.run('import { local } from "local-package"').reply["evalue"]
    cell = k.run("await npm.install('./local')")
    assert cell.status == "ok" and "added 1 package" in cell.stdout, cell.messages
    assert k.run('import { local } from "local-package"\nlocal').result == "7"


@check
def npm_install_that_fails_fails_the_cell(k):
    cell = k.run("await npm.install('./not-there')")
    assert cell.reply["evalue"].startswith("npm install: it ended with"), cell.reply
    assert any("not-there" in content["text"] for content in cell.contents("stream"))
    assert "names of packages" in k.run("await npm.install()").reply["evalue"]


@check
def interrupt_ends_a_callback_beside_an_async_local_storage(k):
    k.run("import { AsyncLocalStorage } from 'node:async_hooks'\nconst store = new AsyncLocalStorage<number>()")
    spin = 'eval("while (true) {}")'
    k.interrupted(f"store.run(1, () => {spin})")
    pause = "await new Promise((done) => setTimeout(done, 9000))"
    k.interrupted(f"store.run(2, () => {{ setTimeout(() => {spin}, 10) }}); {pause}")
    assert k.run("await store.run(3, async () => { await null; return store.getStore() })").result == "3"


@check
def interrupt_ends_what_an_await_is_followed_by_beside_async_hooks(k):
    spin = 'eval("while (true) {}")'
    k.run("const beside = new AsyncLocalStorage<number>()")
    k.interrupted(f"await beside.run(1, async () => {{ await null; {spin} }})")
    k.run(
        "import { createHook } from 'node:async_hooks'\nlet made = 0\nconst hook = createHook({ init: () => { made++ } })"
    )
    for code in ["hook.enable()", "hook.disable()", "hook.enable()"]:
        k.run(code)
        k.interrupted(f"await 1; {spin}")
    assert k.run("const before = made\nawait null\nmade > before").result == "true"
    assert k.run("beside.run(2, () => beside.getStore())").result == "2"


@check
def late_output_of_awaits_goes_to_its_own_cell(k):
    first = k.client.execute(
        """import { setTimeout as pause } from 'node:timers/promises'
import { readFile } from 'node:fs/promises'
async function later() {
  for (let turn = 0; turn < 3; turn++) { await pause(40); await readFile('table.json'); console.log('late', turn) }
}
later()
1"""
    )
    k.finish(first)
    assert k.run("await new Promise((done) => setTimeout(done, 600))").stdout == ""
    texts = [content["text"] for parent, kind, content in k.others if parent == first and kind == "stream"]
    assert "".join(texts) == "late 0\nlate 1\nlate 2\n", texts


@check
def no_output_after_idle_in_1000_quick_cells(k):
    before = len(k.others)
    for turn in range(1000):
        cell = k.run(f"console.log({turn})")
        assert cell.stdout == f"{turn}\n", (turn, cell.messages)
    late = [other for other in k.others[before:] if other[1] == "stream"]
    assert late == [], late


run_checks(NOTEBOOK)
