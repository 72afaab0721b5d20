import { languageModelLoss } from '../nn/loss'
import { fill, scatterRows } from '../tensor/ops'
import type { Scope } from '../tensor/scope'
import { Tensor } from '../tensor/tensor'
import { toDevice, type PackedBatch } from './batch'
import type { LlamaForCausalLM } from './causal-lm'
import { contextOf, forwardHidden } from './pass'

/** Rows of one length, or of different lengths (then no mask is needed). */
export type IdRows = readonly (readonly number[] | Int32Array)[]

/** A batch as transformers takes it: [B, S] rows. */
export interface ModelInputs {
  input_ids: IdRows
  /** 1 = token, 0 = padding, on either side. Default: all ones. */
  attention_mask?: IdRows
  /** -100 = ignored. */
  labels?: IdRows
  output_hidden_states?: boolean
}

export interface ModelOutput {
  /** Mean over targets; undefined without labels. */
  loss: number | undefined
  /** [B, S, vocab] */
  logits: Tensor
  /** Embedding, each layer's output, the last one after the final norm; [B, S, hidden] each. */
  hidden_states: Tensor[] | undefined
}

export function isPacked(batch: ModelInputs | PackedBatch): batch is PackedBatch {
  return 'cu_seqlens' in batch
}

interface PackedInputs {
  packed: PackedBatch
  /** Position b * S + s of every packed token. */
  place: Int32Array
  batchSize: number
  width: number
}

/** @throws Error when the rows of mask or labels do not fit those of input_ids, or a row has no token. */
export function packInputs(inputs: ModelInputs): PackedInputs {
  const { input_ids, attention_mask, labels } = inputs
  const width = Math.max(0, ...input_ids.map((row) => row.length))
  const tokens: { id: number; label: number; position: number; place: number }[] = []
  const cu = [0]
  input_ids.forEach((row, b) => {
    for (const [what, other] of [
      ['attention_mask', attention_mask],
      ['labels', labels],
    ] as const) {
      if (other && other[b]?.length !== row.length) {
        throw new Error(`[forward] ${what}: row ${b} has ${other[b]?.length ?? 0} entries, input_ids has ${row.length}`)
      }
    }
    const begin = tokens.length
    row.forEach((id, s) => {
      if (attention_mask && !attention_mask[b]![s]) return
      tokens.push({ id, label: labels?.[b]![s] ?? -100, position: tokens.length - begin, place: b * width + s })
    })
    if (tokens.length === begin) throw new Error(`[forward] row ${b} has no token`)
    cu.push(tokens.length)
  })
  if (tokens.length === 0) throw new Error('[forward] input_ids is empty')
  const packed = {
    input_ids: Int32Array.from(tokens, (t) => t.id),
    labels: Int32Array.from(tokens, (t) => t.label),
    position_ids: Int32Array.from(tokens, (t) => t.position),
    cu_seqlens: Int32Array.from(cu),
  }
  return { packed, place: Int32Array.from(tokens, (t) => t.place), batchSize: input_ids.length, width }
}

/** `model.forward`: pack, run, put the results back where the caller's padding has them. */
export async function forwardPadded(model: LlamaForCausalLM, inputs: ModelInputs): Promise<ModelOutput> {
  const { packed, place, batchSize, width } = packInputs(inputs)
  using scope = model.device.scope()
  const batch = toDevice(packed, model.config.vocab_size, model.device, scope)
  const places = scope.add(Tensor.from(place, { device: model.device }))
  const unpack = (rows: Tensor): Tensor => unpackRows(rows, places, batchSize, width, scope)
  const ctx = contextOf(batch, scope, {})
  const hiddenStates: Tensor[] = []
  const last = forwardHidden(model, batch, ctx, (x, index) => {
    if (inputs.output_hidden_states && index < model.parts.layers.length) hiddenStates.push(unpack(x))
  })
  const hidden = model.parts.norm.forward(last, ctx).y
  if (inputs.output_hidden_states) hiddenStates.push(unpack(hidden))
  const logits = unpack(model.parts.lm_head.forward(hidden, ctx))
  let loss: number | undefined
  if (inputs.labels && batch.numTargets > 0) {
    const { stats } = languageModelLoss(hidden, batch.targets, model.parts.lm_head, 1, ctx, false)
    const [sum, count] = (await stats.data()) as Float32Array
    loss = sum! / count!
  }
  await model.device.synchronize()
  return { loss, logits, hidden_states: inputs.output_hidden_states ? hiddenStates : undefined }
}

/** [T, n] -> [B, S, n], zero where there is no token. The caller owns the result. */
function unpackRows(rows: Tensor, places: Tensor, batchSize: number, width: number, scope: Scope): Tensor {
  const out = rows.device.empty([batchSize, width, rows.cols], rows.dtype)
  fill(out, 0)
  scatterRows(rows, places, scope.add(out.view([batchSize * width, rows.cols])))
  return out
}
