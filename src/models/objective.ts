import { checkNames } from '../options/parse'
import type { PackedBatch } from './batch'
import { shiftedTargets } from './batch'

/** What a loss function knows about a batch. N: the number of targets (predicted tokens), sequence by sequence. */
export interface ObjectiveBatch {
  /** int32 [N]: the tokens themselves. */
  labels: Int32Array
  /** int32 [N]: their positions in their sequences. */
  positions: Int32Array
  /** int32 [N]: their indices in `input_ids`. */
  tokens: Int32Array
  /** int32 [sequences + 1]: the targets of sequence s are cu_seqlens[s] to cu_seqlens[s + 1] - 1. */
  cu_seqlens: Int32Array
  /** int32: all tokens of all sequences, including those that are no targets. */
  input_ids: Int32Array
  /** Targets of all batches that are accumulated for one update: the divisor of a mean over tokens. */
  num_items_in_batch: number
  /** Number of batches that are accumulated for one update: the divisor of a mean over batches. */
  num_batches: number
  /**
   * float32 [N]: entropies of the predictions in nats, if the objective asks for them. Constants for the
   * gradient.
   */
  entropies?: Float32Array
  /** The batch's `columns`: one value per sequence. */
  columns: Readonly<Record<string, readonly unknown[]>>
}

export interface ObjectiveResult {
  /** This batch's part of the loss: the losses of accumulated batches are summed. */
  loss: number
  /** [N]: d loss / d logps. */
  dlogps: ArrayLike<number>
  /**
   * Figures for the log, in place of entropy and mean_token_accuracy. A figure is averaged over the batches
   * that return it.
   */
  metrics?: Readonly<Record<string, number>> | undefined
}

/** A loss computed on the host from the targets' log-probabilities, float32 [N], in nats. */
export type LossFunction = (
  logps: Float32Array,
  batch: ObjectiveBatch,
) => ObjectiveResult | Promise<ObjectiveResult>

/** A loss function with options. */
export interface HostObjective {
  loss: LossFunction
  /** Whether `batch.entropies` is given. Default: false. */
  entropies?: boolean
}

/**
 * A loss that the device computes in its one pass over the logits: the sum over targets of weight * loss /
 * num_items_in_batch.
 */
export interface TokenObjective {
  /**
   * 'nll' (default): -log p. 'dft': -p log p, where the factor p is a constant for the gradient (arXiv
   * 2508.05629).
   */
  loss_type?: 'nll' | 'dft'
  /** e in (1 - e) * -log p + e * mean over the vocabulary of -log p. 0 (default) to 1. */
  label_smoothing_factor?: number
  /** One weight per target, [N]. Default: all 1. */
  token_weights?: (batch: ObjectiveBatch) => ArrayLike<number> | Promise<ArrayLike<number>>
}

export type Objective = LossFunction | HostObjective | TokenObjective

const tokenKeys: readonly (keyof TokenObjective)[] = ['loss_type', 'label_smoothing_factor', 'token_weights']
const hostKeys: readonly (keyof HostObjective)[] = ['loss', 'entropies']

/**
 * @throws TypeError on an invalid objective: an unknown key, a wrong value, a loss function together with
 * options of a token loss.
 */
export function checkObjective(objective: unknown): asserts objective is Objective | undefined {
  if (objective === undefined || typeof objective === 'function') return
  if (typeof objective !== 'object' || objective === null) {
    throw new TypeError(
      `[objective] got ${String(objective)}; expected a function (logps, batch) => ({ loss, dlogps }), or { ${[...tokenKeys, ...hostKeys].join(', ')} }`,
    )
  }
  const given = objective as HostObjective & TokenObjective
  const beyond = ['top_k', 'logits'].find((key) => key in given)
  if (beyond)
    throw new TypeError(`[objective] ${beyond} is not supported: a loss sees log-probabilities and entropies`)
  checkNames('objective', given, [...tokenKeys, ...hostKeys], {}, 'key')
  const { loss_type, label_smoothing_factor: smoothing, token_weights, loss, entropies } = given
  const wrong = (key: string, value: unknown, expected: string): never => {
    throw new TypeError(`[objective] ${key}: got ${String(value)}; expected ${expected}`)
  }
  if (isHost(given)) {
    if (typeof loss !== 'function') wrong('loss', loss, 'a function (logps, batch) => ({ loss, dlogps })')
    if (entropies !== undefined && typeof entropies !== 'boolean')
      wrong('entropies', entropies, 'true or false')
    const other = tokenKeys.find((key) => given[key] !== undefined)
    if (other) throw new TypeError(`[objective] loss and ${other} are two losses; give one`)
    return
  }
  if (loss_type !== undefined && !['nll', 'dft'].includes(loss_type))
    wrong('loss_type', loss_type, "'nll' or 'dft'")
  if (smoothing !== undefined && !(typeof smoothing === 'number' && smoothing >= 0 && smoothing <= 1))
    wrong('label_smoothing_factor', smoothing, '0 to 1')
  if (loss_type === 'dft' && smoothing)
    throw new TypeError("[objective] label_smoothing_factor has no meaning with loss_type 'dft'; give one")
  if (token_weights !== undefined && typeof token_weights !== 'function')
    wrong('token_weights', token_weights, 'a function (batch) => weights')
}

function isHost(objective: HostObjective | TokenObjective): objective is HostObjective {
  return 'loss' in objective || 'entropies' in objective
}

/** The objective as one of two kinds: a loss on the host, or one on the device. */
export function kindOf(objective: Objective = {}): { host?: HostObjective; token?: TokenObjective } {
  if (typeof objective === 'function') return { host: { loss: objective } }
  return isHost(objective) ? { host: objective } : { token: objective }
}

export function objectiveBatch(
  batch: PackedBatch,
  num_items_in_batch: number,
  num_batches: number = 1,
): ObjectiveBatch {
  const { rows, labels, bounds } = shiftedTargets(batch)
  const tokens = Int32Array.from(rows, (row) => row + 1)
  return {
    labels: Int32Array.from(labels),
    positions: tokens.map((t) => batch.position_ids[t]!),
    tokens,
    cu_seqlens: Int32Array.from(bounds),
    input_ids: batch.input_ids,
    num_items_in_batch,
    num_batches,
    columns: batch.columns ?? {},
  }
}

export interface CheckedResult {
  loss: number
  dlogps: Float32Array
  metrics: ObjectiveResult['metrics']
}

/** Checks the result of a loss function. @throws TypeError or RangeError that says what is wrong with it. */
export function checkResult(result: unknown, logps: Float32Array): CheckedResult {
  if (typeof result !== 'object' || result === null) {
    throw new TypeError(`[objective] returned ${String(result)}; expected { loss, dlogps }`)
  }
  const given: Partial<ObjectiveResult> = result
  checkNames('objective', given, ['loss', 'dlogps', 'metrics'], {}, 'result')
  const { loss, dlogps, metrics } = given
  if (typeof loss !== 'number') throw new TypeError(`[objective] loss: got ${typeof loss}; expected a number`)
  if (!Number.isFinite(loss)) throw new RangeError(`[objective] loss is ${loss}${blame(logps)}`)
  for (const [name, value] of Object.entries(metrics ?? {}))
    if (typeof value !== 'number')
      throw new TypeError(`[objective] metrics.${name}: got ${kindName(value)}; expected a number`)
  return { loss, dlogps: perTarget('dlogps', dlogps, logps.length, () => blame(logps)), metrics }
}

/** One finite number per target. */
export function perTarget(
  what: string,
  values: unknown,
  n: number,
  hint: () => string = () => '',
): Float32Array {
  if (!Array.isArray(values) && !(ArrayBuffer.isView(values) && 'length' in values)) {
    throw new TypeError(`[objective] ${what}: got ${kindName(values)}; expected an array of ${n} numbers`)
  }
  const given = values as ArrayLike<unknown>
  if (given.length !== n)
    throw new RangeError(`[objective] ${what} has ${given.length} entries; expected ${n}, one a target`)
  const out = new Float32Array(n)
  for (let i = 0; i < n; i++) {
    const value = given[i]
    if (typeof value !== 'number')
      throw new TypeError(`[objective] ${what}[${i}]: got ${kindName(value)}; expected a number`)
    out[i] = value
    if (!Number.isFinite(out[i])) throw new RangeError(`[objective] ${what}[${i}] is ${value}${hint()}`)
  }
  return out
}

const kindName = (value: unknown): string =>
  value instanceof Promise ? 'a promise' : value === null ? 'null' : typeof value

/** Says whether the log-probabilities were already wrong: then it is the model's fault, not the loss's. */
function blame(logps: Float32Array): string {
  const bad = logps.reduce((n, logp) => n + Number(!Number.isFinite(logp)), 0)
  return bad === 0 ? '' : `; ${bad} of the ${logps.length} log-probabilities it was given are not finite`
}
