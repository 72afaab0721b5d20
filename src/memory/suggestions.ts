import { formatBytes } from '../display/format'
import { optimizerKinds, type OptimizerName } from '../optim/names'
import type { StepShape } from './dry-run'
import type { Machine } from './machine'
import type { PlannedStep } from './planned-step'
import { Planner } from './planner'

/** A training step does not fit. The message names changes that would make it fit, the cheapest first. */
export class MemoryError extends Error {
  override readonly name = 'MemoryError'
}

/**
 * @throws MemoryError when the plan needs more than `limit` bytes of the device, or more host memory than the
 * machine has.
 */
export function requireFit(planner: Planner, planned: PlannedStep, limit: number): void {
  if (planner.fits(planned, limit)) return
  const { machine } = planner
  const { step } = planned
  const { device, host } = planned.peaks
  const needs =
    device > limit
      ? `${formatBytes(device)} for tensors of the device, of which ${formatBytes(limit)} may be used`
      : `${formatBytes(host)} of page-locked host memory, of which ${formatBytes(machine.host)} may be used`
  const fitting = changes(step, machine, limit)
  const advice =
    fitting.length > 0
      ? `It would fit with ${fitting.join('; or ')}`
      : 'No smaller batch, shorter sequence or leaner plan fits: the model itself is too large'
  throw new MemoryError(`[memory] a step of ${step.tokens} tokens needs ${needs}. ${advice}`)
}

/**
 * Changes that make the step fit, the cheapest in time first. Each is applied alone, except that the later ones
 * include `memory: 'lean'`.
 */
function changes(step: StepShape, machine: Machine, limit: number): string[] {
  const found: string[] = []
  const attempt = (text: string, changed: StepShape): boolean => {
    const planner = new Planner(changed, machine)
    const planned = planner.choose('lean', true)
    const fits = planner.fits(planned, limit)
    if (fits) found.push(`${text} (${formatBytes(planned.peaks.device)})`)
    return fits
  }
  const small = eightBit(step.optimizer.optim)
  const smallStep = small ? { ...step, optimizer: { ...step.optimizer, optim: small } } : step
  if (attempt("memory: 'lean'", step)) return found
  if (small && attempt(`memory: 'lean' and optim: '${small}'`, smallStep)) return found
  for (
    let sequences = Math.floor(step.sequences / 2);
    sequences >= 1;
    sequences = Math.floor(sequences / 2)
  ) {
    const tokens = Math.ceil((step.tokens / step.sequences) * sequences)
    const text = `memory: 'lean'${small ? `, optim: '${small}'` : ''} and per_device_train_batch_size ${sequences}`
    if (attempt(text, { ...smallStep, tokens, sequences, others: undefined })) return found
  }
  for (
    let length = Math.floor(step.tokens / step.sequences / 2);
    length >= 64;
    length = Math.floor(length / 2)
  ) {
    const text = `memory: 'lean'${small ? `, optim: '${small}'` : ''}, one row a batch and max_length ${length}`
    if (attempt(text, { ...smallStep, tokens: length, sequences: 1, longest: length, others: undefined }))
      return found
  }
  return found
}

/** The same optimizer with paged 8-bit state; undefined if it is that already or has no state. */
function eightBit(optim: OptimizerName): OptimizerName | undefined {
  const { rule, optim_bits, is_paged } = optimizerKinds[optim]
  if (rule === 'sgd' || (optim_bits === 8 && is_paged)) return undefined
  return rule === 'lion' ? 'paged_lion_8bit' : 'paged_adamw_8bit'
}
