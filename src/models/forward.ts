import { languageModelLoss, logitsOf } from '../nn/loss'
import { fill, scaled, scatterRows } from '../tensor/ops'
import type { Scope } from '../tensor/scope'
import { Tensor } from '../tensor/tensor'
import { AttentionWeights } from './attention-weights'
import { toDevice } from './batch'
import type { CausalLM } from './causal-lm'
import { packInputs, type ModelInputs } from './padding'
import { contextOf, forwardHidden } from './pass'

export interface ModelOutput {
  /** Mean over targets; undefined without labels. */
  loss: number | undefined
  /** [B, S, vocab] */
  logits: Tensor
  /** The embedding and each layer's output, the last one after the final norm; [B, S, hidden] each. */
  hidden_states: Tensor[] | undefined
  /** Of each layer, how much each query looks at each key: float32 [B, heads, S, S] on the CPU, zero where attention_mask is. */
  attentions: Tensor[] | undefined
}

/** `model.forward`: packs the rows, runs the model, and restores the caller's padding. */
export async function forwardPadded(model: CausalLM, inputs: ModelInputs): Promise<ModelOutput> {
  const { packed, place, batchSize, width } = packInputs(inputs, model.config.vocab_size)
  using scope = model.device.scope()
  const batch = toDevice(packed, model.config.vocab_size, model.device, scope)
  const places = scope.add(Tensor.from(place, { device: model.device }))
  const unpack = (rows: Tensor): Tensor => unpackRows(rows, places, batchSize, width, scope)
  const weights = inputs.output_attentions ? new AttentionWeights(model, packed, place, width) : undefined
  const ctx = { ...contextOf(batch, scope, {}), observeAttention: weights?.observe }
  const hiddenStates: Tensor[] = []
  const last = forwardHidden(model, batch, ctx, (x, index) => {
    if (inputs.output_hidden_states && index < model.parts.layers.length) hiddenStates.push(unpack(x))
  })
  const hidden = model.parts.norm.forward(last, ctx).y
  if (inputs.output_hidden_states)
    hiddenStates.push(unpack(scaled(hidden, 1 / model.parts.norm.scale, scope)))
  const logits = unpack(logitsOf(hidden, model.parts, ctx))
  let loss: number | undefined
  if (inputs.labels && batch.numTargets > 0) {
    const { stats } = languageModelLoss(hidden, batch.targets, model.parts, ctx)
    const [sum, count] = await stats.data()
    loss = sum! / count!
  }
  await model.device.synchronize()
  const hidden_states = inputs.output_hidden_states ? hiddenStates : undefined
  return { loss, logits, hidden_states, attentions: await weights?.layers() }
}

/** [T, n] -> [B, S, n], zero where there is no token. The caller owns the result. */
function unpackRows(rows: Tensor, places: Tensor, batchSize: number, width: number, scope: Scope): Tensor {
  const out = rows.device.empty([batchSize, width, rows.cols], rows.dtype)
  fill(out, 0)
  scatterRows(rows, places, scope.add(out.view([batchSize * width, rows.cols])))
  return out
}
