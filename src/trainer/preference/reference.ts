import type { CausalLM } from '../../models/causal-lm'
import type { PackedBatch } from '../../models/batch'
import { runPass, type PassOptions } from '../../models/pass'
import type { PeftModel } from '../../peft/model'
import { copy } from '../../tensor/ops'
import type { Tensor } from '../../tensor/tensor'

/** How the layers compute. */
export type Arithmetic = Pick<PassOptions, 'autocast' | 'training'>

/**
 * The reference model of the rewards, as TRL has it for adapters: the base model if the trainer put the adapter
 * on it; else the model with the adapter as it was at the start, of which a copy is kept.
 */
export class Reference {
  private readonly came: Tensor[] | undefined

  constructor(
    private readonly model: PeftModel,
    hadAdapter: boolean,
  ) {
    this.came = hadAdapter ? model.parameters().map(({ data }) => copied(data)) : undefined
  }

  /** The sum of the log-probabilities of each sequence's targets. */
  async logps(batch: PackedBatch, how: Arithmetic): Promise<number[]> {
    const { base_model } = this.model
    const measured = (): Promise<number[]> => sequenceLogps(base_model, batch, how)
    const { came } = this
    if (!came) return this.model.disable_adapter(measured)
    const parameters = this.model.parameters().map(({ data }) => data)
    const trained = parameters.map(copied)
    parameters.forEach((data, i) => copy(came[i]!, data))
    try {
      return await measured()
    } finally {
      parameters.forEach((data, i) => copy(trained[i]!, data))
      trained.forEach((data) => data.dispose())
    }
  }

  dispose(): void {
    this.came?.forEach((data) => data.dispose())
  }
}

/**
 * The sum of the log-probabilities of each sequence's targets, for the current model. Nothing is saved for a
 * backward.
 */
export async function sequenceLogps(model: CausalLM, batch: PackedBatch, how: Arithmetic): Promise<number[]> {
  // Without a target there is nothing to run.
  let sums: number[] = Array<number>(batch.cu_seqlens.length - 1).fill(0)
  await runPass(model, batch, {
    backward: false,
    ...how,
    objective: (logps, { cu_seqlens }) => {
      sums = sumsOf(logps, cu_seqlens)
      return { loss: 0, dlogps: new Float32Array(logps.length) }
    },
  })
  return sums
}

/** Sums of values by sequence. */
export function sumsOf(values: ArrayLike<number>, cu_seqlens: Int32Array): number[] {
  return Array.from({ length: cu_seqlens.length - 1 }, (_, s) => {
    let sum = 0
    for (let i = cu_seqlens[s]!; i < cu_seqlens[s + 1]!; i++) sum += values[i]!
    return sum
  })
}

function copied(data: Tensor): Tensor {
  const own = data.device.empty(data.shape, data.dtype)
  copy(data, own)
  return own
}
