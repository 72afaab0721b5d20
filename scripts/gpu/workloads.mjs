// The workloads that ours and the peers (peer.py) are timed on: adapter, and the lengths of the rows of each step's micro batches.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const allLinear = { r: 32, lora_alpha: 32, lora_dropout: 0, target_modules: 'all-linear' }

/** The tutorial's batches of 4 rows grouped by length; all layers at 2,048 tokens; one row of S tokens. */
export function workloadOf(name) {
  if (name === 'tutorial') {
    const rows = JSON.parse(readFileSync(join(import.meta.dirname, 'tutorial-lengths.json'), 'utf8'))
    return {
      lora: { r: 64, lora_alpha: 16, lora_dropout: 0.1, target_modules: ['q_proj', 'v_proj'] },
      window: (step) => [rows[step % rows.length]],
    }
  }
  if (name === 'all-linear') return { lora: allLinear, window: () => Array(4).fill([2048, 2048]) }
  const context = /^ctx:(\d+)$/.exec(name)
  if (context) return { lora: allLinear, window: () => [[Number(context[1])]] }
  throw new Error(`no workload '${name}'; there are tutorial, all-linear, ctx:S`)
}

/** One micro batch of equal rows a step. */
export function uniformWorkload({ seq, batch, rank, targets }) {
  return {
    lora: {
      ...{ r: rank, lora_alpha: rank },
      target_modules: targets === 'all-linear' ? targets : targets.split(','),
    },
    window: () => [Array(batch).fill(seq)],
  }
}
