// Kills a rank of a tiny training run under mpirun with SIGKILL at random moments, starts it again from its last checkpoint each time,
// and compares the run in the end with one that was never killed. Exit code 1 when a process is left, a start takes more than 30 s to
// end after a kill, no checkpoint can be resumed, or the losses differ.
// usage: node scripts/kill-ranks.mjs [--moments 40] [--ranks 2] [--steps 60] [--seed 1]
import './setup/help.mjs'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    moments: { type: 'string', default: '40' },
    ranks: { type: 'string', default: '2' },
    steps: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
  },
})
const [moments, ranks, steps, seed] = ['moments', 'ranks', 'steps', 'seed'].map((key) => Number(values[key]))
const root = resolve(import.meta.dirname, '..')
const tokenizer = join(root, 'test/parity/golden/preference')
const folder = mkdtempSync(join(tmpdir(), 'qlora-kills-'))
let state = seed
const uniform = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32

const script = (output) => `
  const q = require(${JSON.stringify(join(root, 'dist/index.js'))})
  const { existsSync, readdirSync, writeFileSync } = require('node:fs')
  const rank = new q.PartialState().process_index
  async function main() {
    const output_dir = ${JSON.stringify(output)}
    const model = await q.AutoModelForCausalLM.from_pretrained(${JSON.stringify(join(root, 'test/parity/golden/tiny-llama'))})
    const rows = Array.from({ length: 13 }, (_, i) => ({ input_ids: Array.from({ length: 5 + i }, (_, t) => (3 * i + 7 * t) % 250) }))
    const trainer = new q.SFTTrainer({
      model,
      processing_class: await q.AutoTokenizer.from_pretrained(${JSON.stringify(tokenizer)}),
      train_dataset: q.Dataset.from_list(rows),
      peft_config: new q.LoraConfig({ r: 4, lora_dropout: 0.1, target_modules: 'all-linear' }),
      args: new q.SFTConfig({
        output_dir, bf16: false, max_steps: ${steps}, per_device_train_batch_size: 1, save_steps: 1, save_total_limit: 3,
        logging_steps: 1, disable_tqdm: true, report_to: 'none', optim: 'sgd', learning_rate: 0.1, ddp_timeout: 20,
      }),
      callbacks: [{ on_train_begin: () => writeFileSync(output_dir + '.' + rank, String(process.pid)) }],
    })
    const resumes = existsSync(output_dir) && readdirSync(output_dir).some((name) => /^checkpoint-\\d+$/.test(name))
    await trainer.train(resumes ? { resume_from_checkpoint: true } : {})
    if (rank === 0) writeFileSync(output_dir + '.log', JSON.stringify(trainer.state.log_history))
  }
  main()`

/** Starts the ranks; `kill`, where given, is the rank that gets SIGKILL so many ms after training began. */
async function run(output, kill) {
  for (let rank = 0; rank < ranks; rank++) rmSync(`${output}.${rank}`, { force: true })
  const root0 = process.getuid?.() === 0 ? ['--allow-run-as-root'] : []
  const child = spawn(
    'mpirun',
    [...root0, '--oversubscribe', '-n', String(ranks), process.execPath, '-e', script(output)],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let errors = ''
  child.stderr.on('data', (chunk) => (errors += String(chunk)))
  const ended = new Promise((done) => child.once('close', done))
  let killed
  if (kill) {
    const mark = `${output}.${kill.rank}`
    while (!existsSync(mark) && child.exitCode === null) await sleep(5)
    await sleep(kill.ms)
    if (child.exitCode === null) {
      process.kill(Number(readFileSync(mark, 'utf8')), 'SIGKILL')
      killed = performance.now()
    }
  }
  const code = await ended
  const seconds = killed === undefined ? undefined : (performance.now() - killed) / 1000
  const pids = Array.from({ length: ranks }, (_, rank) => `${output}.${rank}`)
    .filter((file) => existsSync(file))
    .map((file) => readFileSync(file, 'utf8'))
  for (let i = 0; i < 100 && pids.some((pid) => existsSync(`/proc/${pid}`)); i++) await sleep(100)
  return { code, errors, seconds, left: pids.filter((pid) => existsSync(`/proc/${pid}`)) }
}

const losses = (output) =>
  JSON.parse(readFileSync(`${output}.log`, 'utf8')).flatMap((row) => ('loss' in row ? [row.loss] : []))
const fail = (text) => {
  console.error(text)
  process.exitCode = 1
}

try {
  const whole = join(folder, 'whole')
  const first = await run(whole)
  if (first.code !== 0) throw new Error(first.errors)
  const output = join(folder, 'killed')
  let done = 0
  let slowest = 0
  while (done < moments) {
    const kill = { rank: done % ranks, ms: Math.round(uniform() * 1500) }
    const { code, errors, seconds, left } = await run(output, kill)
    if (left.length > 0) fail(`processes left after killing rank ${kill.rank}: ${left}`)
    if (seconds === undefined) {
      // It had come to its end, or failed by itself: from the start again.
      if (code !== 0) throw new Error(errors)
      rmSync(output, { recursive: true })
      continue
    }
    done += 1
    slowest = Math.max(slowest, seconds)
    const saved = existsSync(output)
      ? readdirSync(output).filter((name) => /^checkpoint-\d+$/.test(name))
      : []
    console.log(
      `${done}: rank ${kill.rank} killed after ${kill.ms} ms, all ended in ${seconds.toFixed(1)} s; ${saved.sort().join(' ')}`,
    )
    if (seconds > 30) fail(`the others took ${seconds} s to end`)
  }
  const last = await run(output)
  if (last.code !== 0) throw new Error(last.errors)
  const [a, b] = [losses(whole), losses(output)]
  const far = a.length === b.length ? Math.max(...a.map((x, i) => Math.abs(x - b[i]) / x)) : Infinity
  console.log(
    `${done} kills, the slowest end ${slowest.toFixed(1)} s; ${b.length} losses differ by ${far} at most`,
  )
  if (!(far < 1e-6)) fail('the run that was killed is not the one that was not')
} finally {
  rmSync(folder, { recursive: true, force: true })
}
