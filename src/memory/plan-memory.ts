import { setImmediate as turn } from 'node:timers/promises'
import { formatBytes } from '../display/format'
import { alignedSize } from '../models/batch'
import { AutoConfig } from '../models/auto'
import type { CausalLM } from '../models/causal-lm'
import { PretrainedConfig } from '../models/config'
import { parseOptions } from '../options/parse'
import { LoraConfig } from '../peft/config'
import { PeftModel } from '../peft/model'
import { BitsAndBytesConfig } from '../quantization/config'
import { breakdownOf } from './breakdown'
import { CONTEXT_BYTES, cardOf, machineOfCard, type Card } from './cards'
import { DryRun, type Item, type StepShape } from './dry-run'
import { planOptionSet } from './options'
import type { ParsedPlanOptions, PlanOptions } from './options.generated'
import { Planner, type MemoryWish } from './planner'

/** The memory of one plan of a case. */
export interface CasePlan {
  /** The wish: 'fast', 'lean', '6.3 GiB'. */
  memory: string
  /** Peak bytes of tensors on the card, and of page-locked host memory. */
  peak: number
  host: number
  fits: boolean
  /** Estimated from the card's published rates; undefined for a card given by its size. */
  tokens_per_second: number | undefined
  /** The items that make up the peak. */
  items: readonly Item[]
}

/** One card, rank, length and batch. */
export interface MemoryCase {
  card: string
  r: number
  length: number
  batch: number
  /** Bytes that tensors may take: the card's memory minus 0.75 GiB for CUDA's context and libraries. */
  free: number
  plans: readonly CasePlan[]
  /** The first plan that fits. */
  fits: CasePlan | undefined
}

/** The memory of a training run on each card. */
export class MemoryForecast {
  constructor(
    /** The model's name, or its layers. */
    readonly title: string,
    readonly cases: readonly MemoryCase[],
  ) {}

  /** One record per case, for `show_table`. */
  get rows(): Record<string, string | number>[] {
    return this.cases.map(({ card, r, length, batch, free, plans, fits }) => ({
      card,
      r,
      length,
      batch,
      ...Object.fromEntries(plans.map((plan) => [plan.memory, formatBytes(plan.peak)])),
      'may take': formatBytes(free),
      fits: fits?.memory ?? 'no',
      'tokens/s, estimated': fits?.tokens_per_second === undefined ? '' : Math.round(fits.tokens_per_second),
    }))
  }
}

/**
 * The memory of a QLoRA run on each card, for each rank, length and batch, counted by a dry run of the library's own training step. It
 * needs only the model's configuration: no GPU and no weights. As a cell's last value it is displayed as a panel with sliders.
 * @throws TypeError on an unknown card or option; Error when the model has no configuration.
 */
export async function plan_memory(options: PlanOptions): Promise<MemoryForecast> {
  const o = parseOptions(planOptionSet, options)
  const { config, title } = await subject(o)
  const cards = [o.cards].flat().map(cardOf)
  const cases: MemoryCase[] = []
  for (const r of [o.r].flat()) {
    const step = stepOf(config, r, o)
    const machine = machineOfCard(cards[0]!, o.host_memory)
    const run = new DryRun({ ...step, tokens: 8, sequences: 1 }, machine)
    for (const length of [o.lengths].flat()) {
      for (const batch of [o.batch].flat()) {
        const size = alignedSize({ tokens: batch * length, sequences: batch, longest: length }, 8)
        for (const card of cards) {
          await turn()
          o.signal?.throwIfAborted()
          const planner = new Planner(
            { ...step, ...size },
            { ...machineOfCard(card, o.host_memory), sizes: machine.sizes },
            run,
          )
          cases.push(caseOf(planner, card, { r, length, batch }, [o.memory].flat()))
        }
      }
    }
  }
  return new MemoryForecast(title, cases)
}

function caseOf(
  planner: Planner,
  { name: card, memory, published }: Card,
  point: { r: number; length: number; batch: number },
  wishes: readonly MemoryWish[],
): MemoryCase {
  const free = memory - CONTEXT_BYTES
  const plans = wishes.map((wish): CasePlan => {
    const planned = planner.choose(typeof wish === 'number' ? Math.min(wish, free) : wish, true)
    const { device, host } = planned.peaks
    return {
      memory: typeof wish === 'number' ? formatBytes(wish) : (wish ?? 'recompute all'),
      peak: device,
      host,
      fits: planner.fits(planned, typeof wish === 'number' ? Math.min(wish, free) : free),
      tokens_per_second: published && planned.step.tokens / planned.seconds,
      items: breakdownOf(planner, planned),
    }
  })
  return { card, ...point, free, plans, fits: plans.find(({ fits }) => fits) }
}

function stepOf(
  config: PretrainedConfig,
  r: number,
  o: ParsedPlanOptions,
): Omit<StepShape, 'tokens' | 'sequences'> {
  return {
    config,
    dtype: 'bfloat16',
    quantization: o.load_in_4bit
      ? new BitsAndBytesConfig({
          load_in_4bit: true,
          bnb_4bit_quant_type: 'nf4',
          bnb_4bit_use_double_quant: true,
          bnb_4bit_compute_dtype: 'bfloat16',
        })
      : undefined,
    lora: new LoraConfig({ r, target_modules: o.target_modules }),
    adapterDtype: 'float32',
    optimizer: {
      optim: o.optim,
      optim_args: null,
      adam_beta1: 0.9,
      adam_beta2: 0.999,
      adam_epsilon: 1e-8,
      weight_decay: 0,
    },
    autocast: 'bfloat16',
    gradientAccumulation: o.gradient_accumulation_steps,
  }
}

async function subject({
  model,
  config,
}: ParsedPlanOptions): Promise<{ config: PretrainedConfig; title: string }> {
  if ((model === undefined) === (config === undefined))
    throw new TypeError('[plan_memory] give either model (a folder, a hub repository, a model) or config')
  if (typeof model === 'string') return { config: await AutoConfig.from_pretrained(model), title: model }
  if (model instanceof PeftModel) return subject({ model: model.base_model } as ParsedPlanOptions)
  const found = model ? (model as CausalLM).config : config!
  const own = found instanceof PretrainedConfig ? found : new PretrainedConfig(found)
  return { config: own, title: `${own.num_hidden_layers} layers of ${own.hidden_size}` }
}
