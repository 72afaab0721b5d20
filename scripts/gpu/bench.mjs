// `npm run bench:gpu`: QLoRA steps of a random-weight Llama-3-8B, ours beside the peers on the same GPU, one after another. Prints
// a Markdown table; the raw lines are kept in --out. A peer whose Python packages are missing is left out by name.
// usage: node bench.mjs [--workloads tutorial,all-linear,ctx:8192] [--memory fast,lean] [--peers hf,unsloth] [--layers 32]
//        [--steps 12] [--model FOLDER] [--python python3] [--out .cache/bench-gpu] [--limit 600]
//   --model: a checkpoint folder of the same shapes for Unsloth, which loads from disk (made when it is not there)
import '../setup/help.mjs'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'

const here = import.meta.dirname
const option = (value) => ({ type: 'string', default: value })
const { values } = parseArgs({
  options: {
    workloads: option('tutorial,all-linear,ctx:8192'),
    memory: option('fast,lean'),
    peers: option('hf,unsloth'),
    layers: option('32'),
    steps: option('12'),
    model: option(join(tmpdir(), 'qlora-random-8b')),
    python: option(process.env['QLORA_PEER_PYTHON'] ?? 'python3'),
    out: option(join(here, '../../.cache/bench-gpu')),
    limit: option('600'),
  },
})
const list = (text) => text.split(',').filter(Boolean)
mkdirSync(values.out, { recursive: true })

/** The last line of a command as JSON; undefined, and its complaint printed, when it fails. */
function measure(label, command, args) {
  process.stderr.write(`${label} ... `)
  const start = performance.now()
  const { status, signal, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: Number(values.limit) * 1000,
    maxBuffer: 2 ** 28,
  })
  process.stderr.write(`${((performance.now() - start) / 1000).toFixed(0)} s\n`)
  const name = label.replace(/\W+/g, '-')
  writeFileSync(join(values.out, `${name}.txt`), `${command} ${args.join(' ')}\n${stdout}\n${stderr}`)
  const line = (stdout ?? '')
    .trim()
    .split('\n')
    .findLast((text) => text.startsWith('{'))
  if (status === 0 && line) return JSON.parse(line)
  const lines = (stderr ?? '').trim().split('\n')
  const last = lines.findLast((text) => /Error\b/.test(text)) ?? lines.at(-1)
  process.stderr.write(`  failed (${signal ?? status}): ${last}\n`)
  return undefined
}

function hasPackages(peer) {
  const packages = peer === 'hf' ? 'bitsandbytes, peft, transformers' : 'unsloth'
  const { status } = spawnSync(values.python, ['-c', `import ${packages}`])
  if (status !== 0) process.stderr.write(`no peer ${peer}: ${values.python} has not all of ${packages}\n`)
  return status === 0
}

const peers = list(values.peers).filter(hasPackages)
const sizes = ['--layers', values.layers, '--steps', values.steps]
if (peers.includes('unsloth') && !existsSync(join(values.model, 'config.json'))) {
  const script = join(here, 'random-checkpoint.mjs')
  spawnSync(process.execPath, [script, values.model, '--layers', values.layers], { stdio: 'inherit' })
}

const raw = resolve(values.out, 'results.json')
const results = []
/** Written at once: a run that is cut off leaves what it has. */
function add(result) {
  results.push(result)
  writeFileSync(raw, results.map((each) => JSON.stringify(each)).join('\n') + '\n')
}
for (const workload of list(values.workloads)) {
  for (const memory of list(values.memory)) {
    const step = [join(here, 'qlora-step.mjs'), '--workload', workload, '--memory', memory]
    const args = [...step, '--optim', 'paged_adamw_32bit', ...sizes]
    const result = measure(`qlora ${workload} ${memory}`, process.execPath, args)
    if (result) add({ engine: `qlora, ${memory}`, workload, ...result, peak: result.peak_tensors_gib })
  }
  for (const peer of peers) {
    const model = peer === 'unsloth' ? ['--model', values.model] : []
    const args = [join(here, 'peer.py'), peer, workload, ...sizes, ...model]
    const result = measure(`${peer} ${workload}`, values.python, args)
    if (result) add({ ...result, peak: result.peak_gib })
  }
}

const versions = results.find(({ torch }) => torch !== undefined)
console.log(
  `\n${results[0]?.gpu ?? 'nothing ran'}, ${new Date().toISOString().slice(0, 10)}, ${values.layers} layers`,
)
if (versions)
  console.log(
    ['torch', 'transformers', 'peft', 'bitsandbytes'].map((name) => `${name} ${versions[name]}`).join(', '),
  )
console.log('\n| workload | engine | tokens/s | peak GiB (reserved) | planned |')
console.log('| --- | --- | ---: | ---: | ---: |')
for (const { workload, engine, tok_s, peak, reserved_gib, predicted_peak_gib } of results)
  console.log(
    `| ${workload} | ${engine} | ${tok_s.toLocaleString('en-US')} | ${peak.toFixed(2)} (${reserved_gib.toFixed(2)}) | ${predicted_peak_gib?.toFixed(2) ?? ''} |`,
  )
console.log(`\nraw: ${raw}`)
