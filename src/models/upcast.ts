import { Embedding } from '../nn/embedding'
import { Linear } from '../nn/linear'
import { Linear4bit } from '../nn/linear4bit'
import { Linear8bit } from '../nn/linear8bit'
import { RMSNorm } from '../nn/rms-norm'
import type { Tensor } from '../tensor/tensor'
import { copy } from '../tensor/ops'
import { placeOf, type Part } from './assemble'
import { modulesOf } from './blueprint'
import type { CausalLM } from './causal-lm'

/**
 * Converts everything that is not quantized to float32: embedding, norms, head, biases, and so also the
 * activations. Quantized weights stay as they are, and a tied head stays tied.
 * @throws Error when an adapter is on the model, or a layer of the user's own.
 */
export function upcast(model: CausalLM): void {
  const { parts, blueprint } = model
  const places = modulesOf(blueprint).map(({ key }) => placeOf(parts, key))
  const wider = places.map((place) => widened(place.get()))
  places.forEach((place, i) => place.set(wider[i]!()))
  if (blueprint.tied) parts.lm_head = new Linear(parts.lm_head.name, parts.embed_tokens.weight)
  model.dtype = 'float32'
}

/**
 * Returns a function that makes the part again in float32 and frees its old tensors. @throws Error when the
 * part has an adapter, or is a layer of the user's own.
 */
function widened(part: Part): () => Part {
  if (part instanceof RMSNorm) return () => new RMSNorm(part.name, wide(part.weight), part.eps, part)
  if (part instanceof Embedding)
    return () => new Embedding(part.name, wide(part.weight), { scale: part.scale })
  if (part instanceof Linear)
    return () => new Linear(part.name, wide(part.weight), part.bias && wide(part.bias))
  if (part instanceof Linear4bit)
    return () => new Linear4bit(part.name, part.weight, part.computeDtype, part.bias && wide(part.bias))
  if (part instanceof Linear8bit)
    return () => new Linear8bit(part.name, part.weight, part.threshold, part.bias && wide(part.bias))
  throw new Error(
    `[prepare_model_for_kbit_training] '${part.name}' has an adapter or is a layer of your own: call it before get_peft_model`,
  )
}

function wide(tensor: Tensor): Tensor {
  if (tensor.dtype === 'float32') return tensor
  const copied = tensor.device.empty(tensor.shape, 'float32')
  copy(tensor, copied)
  tensor.dispose()
  return copied
}
