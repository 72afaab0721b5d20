import { z } from 'zod'
import { optionalObject, signal } from '../options/call'
import { renamed, type OptionSet, type Schema } from '../options/declaration'
import { count, flag, nameOrNames, oneOf } from '../options/schemas'
import { optimizerKinds, type OptimizerName } from '../optim/names'
import type { ParsedPlanOptions } from './options.generated'
import type { MemoryWish } from './planner'
import { bytesOf, memory } from './wish'

const one = count(1) as z.ZodInt
const counts: Schema<number | number[]> = z
  .union([one, z.array(one).min(1)])
  .describe('a whole number >= 1, or a list of them')

const wish = memory as unknown as z.ZodType<MemoryWish>
const wishes: Schema<MemoryWish | MemoryWish[]> = z
  .union([z.array(wish).min(1), wish])
  .describe("'fast', 'balanced', 'lean', bytes such as '6.3GiB', or a list of these")

/** The options of `plan_memory`. */
export const planOptionSet: OptionSet<ParsedPlanOptions> = {
  owner: 'plan_memory',
  options: {
    model: optionalObject(
      'string | CausalLM | PeftModel',
      'a folder, a hub repository or a loaded model',
      (value) => typeof value === 'string' || (typeof value === 'object' && value !== null),
      'The model: a folder or a hub repository, of which only config.json is read, or a loaded model.',
    ),
    config: optionalObject(
      'PretrainedConfig | Record<string, unknown>',
      'a configuration',
      (value) => typeof value === 'object' && value !== null,
      'In place of `model`: a configuration, from AutoConfig or as in config.json.',
    ),
    cards: {
      schema: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]) as unknown as Schema<
        string | string[]
      >,
      default: ['RTX 4060 8GB', 'RTX 3060 12GB', 'RTX 4080 16GB', 'RTX 4090 24GB', 'H100 80GB'],
      doc: "Graphics cards by name ('RTX 4060 8GB', 'rtx 4090'), or by their memory ('12GB').",
      aliases: { card: renamed },
    },
    r: { schema: counts, default: 16, doc: 'Ranks of the adapter.' },
    target_modules: {
      schema: nameOrNames,
      default: 'all-linear',
      doc: 'Layers with an adapter, as in LoraConfig.',
    },
    lengths: {
      schema: counts,
      default: [512, 2048],
      doc: 'Tokens of a row.',
      aliases: { length: renamed, max_length: renamed },
    },
    batch: {
      schema: counts,
      default: 1,
      doc: 'Rows of a micro batch.',
      aliases: { per_device_train_batch_size: renamed },
    },
    gradient_accumulation_steps: {
      schema: count(1),
      default: 1,
      doc: 'Micro batches of a step; with more than one, the sum of their gradients is kept.',
    },
    optim: {
      schema: oneOf(...(Object.keys(optimizerKinds) as OptimizerName[])),
      default: 'paged_adamw_8bit',
      doc: "Optimizer, as TrainingArguments'.",
    },
    memory: {
      schema: wishes,
      default: ['fast', 'lean'],
      input: 'MemoryWish | (string & {}) | (MemoryWish | (string & {}))[]',
      doc: "Plans to compare, as in SFTConfig's `memory`; each row shows the first that fits.",
    },
    load_in_4bit: {
      schema: flag,
      default: true,
      doc: 'NF4 with double quantization; false: the weights in bfloat16.',
    },
    host_memory: {
      schema: z
        .preprocess(
          (value) => (typeof value === 'string' ? (bytesOf(value) ?? value) : value),
          z.number().min(0),
        )
        .describe("bytes, or a size such as '16GiB'") as unknown as Schema<number>,
      default: 16 * 2 ** 30,
      input: 'number | (string & {})',
      doc: "Host memory that may be page-locked, bytes or '16GiB'; a run may lock half of what is free.",
    },
    signal,
  },
  refused: {},
}
