// `npm run bench`: one QLoRA step of a SmolLM2-135M-shaped model (all-linear r=16, batch 4 x 256, NF4), ours beside
// transformers + peft + bitsandbytes, turn by turn on this CPU. Prints a table, both ratios, and the share of the
// machine's own GEMM peak. Needs the oracle environment (test/parity/make-oracle.mjs makes it).
import './setup/help.mjs'
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const python = process.env['QLORA_ORACLE_PYTHON'] ?? join(here, '../.cache/oracle/bin/python')
if (!existsSync(python)) {
  console.error(`the peer needs ${python}; make it with: node test/parity/make-oracle.mjs`)
  process.exit(1)
}

/** GFLOP of a step per token: forward and backward of the linear layers, attention, head. */
const GFLOP_PER_TOKEN = 0.56
const ROUNDS = 2

// A core type forced on OpenBLAS, as some machines need for old builds, would handicap the peer.
const env = { ...process.env }
delete env['OPENBLAS_CORETYPE']
delete env['OPENBLAS_L2_SIZE']

function run(command, args) {
  const lines = execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], env })
    .trim()
    .split('\n')
  return JSON.parse(lines.at(-1))
}

const ours = (dtype) =>
  run(process.execPath, [join(here, 'bench/qlora-step.mjs'), '--dtype', dtype, '--steps', '6'])
const theirs = (dtype) => run(python, [join(here, 'bench/peer_cpu.py'), '--dtype', dtype, '--steps', '4'])

const peak = run(python, [join(here, 'bench/gemm_peak.py')])
const rows = []
for (const dtype of ['float32', 'bfloat16']) {
  const results = { qlora: [], peer: [] }
  for (let round = 0; round < ROUNDS; round++) {
    results.qlora.push(ours(dtype))
    results.peer.push(theirs(dtype))
  }
  const best = (list) => list.reduce((a, b) => (b.tok_s > a.tok_s ? b : a))
  const [us, them] = [best(results.qlora), best(results.peer)]
  const row = (name, r) => ({
    dtype,
    engine: name,
    'tokens/s': r.tok_s,
    'peak GiB': r.peak_rss_gib,
    'GFLOP/s': Math.round(r.tok_s * GFLOP_PER_TOKEN),
    '% of GEMM peak': Math.round((100 * r.tok_s * GFLOP_PER_TOKEN) / peak[dtype]),
    ratio: Number((r.tok_s / them.tok_s).toFixed(2)),
  })
  rows.push(row('qlora', us), row(`HF 4-bit (torch ${them.torch}, bitsandbytes ${them.bnb})`, them))
}
console.table(rows)
console.log(
  `GEMM peak of torch on this machine: float32 ${peak.float32} GFLOP/s, bfloat16 ${peak.bfloat16} GFLOP/s`,
)
