import { join } from 'node:path'
import { readFile } from 'node:fs/promises'
import type { SFTInit } from '../../src/trainer/options.generated'
import { temporaryFolder } from '../files/support/temporary'
import { golden } from '../support/shared'
import { sharedTokenizer, texts } from '../trainer/tiny'
import { library, startRanks, type Ranks } from './ranks'

/** What a rank writes when its training has ended. */
export interface TrainedRank {
  rank: number
  rows: Record<string, number>[]
  epoch: number
  tokens: number
  steps: number
  evaluated: Record<string, number>
  /** Of all values of the adapter in order. */
  adapter: number[]
  drew: number
}

export interface RankRun {
  args: SFTInit
  /** JavaScript before train(), where `trainer`, `rank` and `callback` are known. */
  hook?: string
  /** Of train(). */
  options?: string
}

/** A tiny run on `n` ranks: dropout, packed batches of 2 rows, an evaluation set, and rows that do not divide by the ranks. */
export async function startTraining(
  n: number,
  { args, hook = '', options = '' }: RankRun,
  folder: string,
  env: Record<string, string> = {},
): Promise<Ranks> {
  const tokenizer = await temporaryFolder()
  await (await sharedTokenizer()).save_pretrained(tokenizer)
  const config = {
    ...{ per_device_train_batch_size: 2, learning_rate: 1e-2, bf16: false, gradient_checkpointing: false },
    ...{
      logging_steps: 1,
      max_length: 48,
      disable_tqdm: true,
      report_to: 'none',
      save_strategy: 'no',
      ...args,
    },
  }
  const data = texts(19).to_list()
  const script = `
    const q = require(${JSON.stringify(library)})
    const rank = new q.PartialState().process_index
    const callback = {}
    const world = new q.PartialState().num_processes
    const { writeFileSync } = require('node:fs')
    async function main() {
      const config = ${JSON.stringify(config)}
      let drew = 0
      const data = ${JSON.stringify(data)}
      const options = {
        model: await q.AutoModelForCausalLM.from_pretrained(${JSON.stringify(golden('tiny-llama'))}),
        processing_class: await q.AutoTokenizer.from_pretrained(${JSON.stringify(tokenizer)}),
        peft_config: new q.LoraConfig({ r: 4, lora_alpha: 8, lora_dropout: 0.2, target_modules: 'all-linear' }),
        callbacks: [callback],
        display: { start: () => drew++, step: () => {}, log: () => {}, end: () => {} },
      }
      const before = ${hook || '() => {}'}
      await before({ rank, world, config, data, options, callback, q })
      const rows = q.Dataset.from_list(data)
      const trainer = new q.SFTTrainer({ ...options, train_dataset: rows, eval_dataset: q.Dataset.from_list(data.slice(0, 5)), args: new q.SFTConfig(config) })
      const { global_step } = await trainer.train(${options})
      const evaluated = await trainer.evaluate()
      const adapter = []
      for (const p of trainer.model.parameters()) adapter.push(...await p.data.data())
      // mpirun cuts long lines of output.
      writeFileSync(${JSON.stringify(folder)} + '/' + rank + '.json', JSON.stringify({
        rank, drew, adapter, evaluated, rows: trainer.state.log_history, epoch: trainer.state.epoch,
        tokens: trainer.state.num_input_tokens_seen, steps: global_step,
      }))
    }
    main()`
  return startRanks(n, script, env)
}

/** The ranks of a run that ended well, in order. */
export async function trained(n: number, run: RankRun): Promise<TrainedRank[]> {
  const folder = await temporaryFolder()
  const { code, stderr } = await (await startTraining(n, run, folder)).done
  if (code !== 0) throw new Error(stderr)
  const ranks = Array.from({ length: n }, (_, rank) => readFile(join(folder, `${rank}.json`), 'utf8'))
  return (await Promise.all(ranks)).map((text) => JSON.parse(text) as TrainedRank)
}

/** Largest relative difference of two lists. */
export function difference(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length || a.length === 0) return Infinity
  const size = Math.max(...b.map(Math.abs))
  return Math.max(...a.map((x, i) => Math.abs(x - b[i]!))) / size
}

/** The logged values of one name. */
export const logged = ({ rows }: TrainedRank, name: string): number[] =>
  rows.flatMap((row) => (name in row ? [row[name]!] : []))
