import type { ProcessGroup } from '../distributed/group'
import { countTargets, type PackedBatch } from '../models/batch'
import type { CausalLM } from '../models/causal-lm'
import { checkObjective, type Objective } from '../models/objective'
import type { ModelInputs } from '../models/padding'
import { packedOf, runPass, type PassStats } from '../models/pass'
import type { DropoutState } from '../nn/context'
import { gradNorm } from '../optim/clip'
import { FlatGradients } from '../optim/flat-gradients'
import type { Optimizer } from '../optim/optimizer'
import { checkNames } from '../options/parse'
import { PeftModel } from '../peft/model'

export interface TrainStepOptions {
  learning_rate: number
  /** Gradients are scaled down to this norm, taken over all of them; 0: no clipping. Default: 1. */
  max_grad_norm?: number
  /** Default: the mean negative log-likelihood of the window's targets. */
  objective?: Objective | undefined
  /** Whether products are in bfloat16, as with TrainingArguments' bf16. Default: false. */
  bf16?: boolean
  full_determinism?: boolean
  /** Called after each batch but the last; before the gradients are clipped; after an update. Each is awaited. */
  on_substep_end?: () => void | Promise<void>
  on_pre_optimizer_step?: () => void | Promise<void>
  on_optimizer_step?: () => void | Promise<void>
  /**
   * Identifies the dropout masks of the window's first batch; each further batch has the next microstep.
   * Default: no dropout.
   */
  dropout?: DropoutState | undefined
  /**
   * The ranks that share the window: its batches are dealt to them in turn, the first to rank 0, and `window` holds those of this rank,
   * possibly none. Every rank makes the same update. Default: this process has all of them.
   */
  group?: ProcessGroup | undefined
}

export interface TrainStepResult {
  /** The loss of the whole window. */
  loss: number
  /** The norm before clipping. */
  grad_norm: number
  /** The number of targets in the whole window. */
  num_items: number
  /** Statistics of each batch of the window, of all ranks. */
  passes: PassStats[]
  /** Tokens of each batch. */
  tokens: number[]
  /** Whether nothing was updated because loss, gradient or learning rate is not finite. */
  skipped: boolean
}

const known: readonly (keyof TrainStepOptions)[] = [
  'learning_rate',
  'max_grad_norm',
  'objective',
  'bf16',
  'full_determinism',
  'dropout',
  'group',
  'on_substep_end',
  'on_pre_optimizer_step',
  'on_optimizer_step',
]

/**
 * One optimizer step: gradients of sum(loss) / targets of the whole window of batches; clip; update.
 * Accumulated batches give the gradients of one large batch.
 * @throws TypeError on an unknown option; RangeError when learning_rate is no number or the window is empty.
 */
export async function trainStep(
  model: CausalLM | PeftModel,
  optimizer: Optimizer,
  window: readonly (ModelInputs | PackedBatch)[],
  options: TrainStepOptions,
): Promise<TrainStepResult> {
  checkNames('train_step', options, known)
  const { learning_rate, max_grad_norm = 1, objective, bf16, full_determinism, dropout, group } = options
  if (typeof learning_rate !== 'number')
    throw new RangeError(`[train_step] learning_rate: got ${String(learning_rate)}; expected a number`)
  if (window.length === 0 && !group) throw new RangeError('[train_step] the window has no batch')
  checkObjective(objective)
  const base = model instanceof PeftModel ? model.base_model : model
  const batches = window.map((batch) => packedOf(batch, base))
  const { num_items, numBatches } = await wholeWindow(batches, group)
  const own: BatchFigures[] = []
  optimizer.zeroGrad()
  using gradients = group && num_items > 0 ? new FlatGradients(optimizer.parameters) : undefined
  for (const [i, batch] of batches.entries()) {
    const stats = await runPass(base, batch, {
      objective,
      numItems: num_items,
      numBatches,
      dropout: dropout && { ...dropout, microstep: dropout.microstep + placeInWindow(i, group) },
      autocast: bf16 ? 'bfloat16' : undefined,
      deterministic: full_determinism,
    })
    own.push({ stats, tokens: batch.input_ids.length })
    if (i < batches.length - 1) await options.on_substep_end?.()
  }
  if (gradients) group!.all_reduce(gradients.all)
  await options.on_pre_optimizer_step?.()
  using norm = gradNorm(optimizer.parameters)
  const grad_norm = norm ? await norm.item() : 0
  const figures = group ? dealtBack(await group.gather('the figures of a step', own)) : own
  const passes = figures.map(({ stats }) => stats)
  const lossSum = passes.reduce((sum, stats) => sum + stats.lossSum, 0)
  const loss = num_items > 0 ? lossSum / num_items : 0
  // transformers makes such an update, which turns every weight into NaN.
  const skipped = ![loss, grad_norm, learning_rate].every(Number.isFinite)
  if (!skipped) {
    optimizer.step(learning_rate, norm && { norm, max_norm: max_grad_norm })
    await options.on_optimizer_step?.()
  }
  return { loss, grad_norm, num_items, passes, tokens: figures.map((one) => one.tokens), skipped }
}

interface BatchFigures {
  stats: PassStats
  tokens: number
}

/** Targets and batches of the whole window. */
async function wholeWindow(
  batches: readonly PackedBatch[],
  group: ProcessGroup | undefined,
): Promise<{ num_items: number; numBatches: number }> {
  const own = [batches.reduce((n, batch) => n + countTargets(batch), 0), batches.length]
  const all = group ? await group.gather('the targets of a step', own) : [own]
  const sum = (of: 0 | 1): number => all.reduce((n, one) => n + one[of]!, 0)
  return { num_items: sum(0), numBatches: sum(1) }
}

/** Which batch of the window this rank's batch `i` is. */
const placeInWindow = (i: number, group: ProcessGroup | undefined): number =>
  group ? i * group.size + group.rank : i

/** What each rank has of its batches, in the order of the window. */
function dealtBack<T>(ofRanks: readonly (readonly T[])[]): T[] {
  const turns = ofRanks[0]?.map((_, turn) => ofRanks.flatMap((own) => own.slice(turn, turn + 1)))
  return turns?.flat() ?? []
}
