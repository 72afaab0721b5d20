import { join } from 'node:path'
import { writeGguf, type GgufEntry, type GgufTensor } from '../files/gguf-write'
import type { Blueprint } from '../models/blueprint'
import type { PretrainedConfig } from '../models/config'
import { ggufFamilyOf } from '../models/gguf-metadata'
import type { AdapterUpdate } from '../peft/adapter-update'
import type { Tensor } from '../tensor/tensor'
import { encoded, onHost, rowOrder } from './gguf-tensors'
import { baseName, type FileOptions } from './save-gguf'

/** Element types of an adapter's factors that llama.cpp's tools support. */
export const adapterTypes = ['F32', 'F16', 'BF16'] as const

/**
 * Writes only the adapter, as `<name>-lora.<type>.gguf`, which llama.cpp (`--lora`) applies to the base model's
 * GGUF file. llama.cpp computes the scale as alpha / rank, so alpha is written as scale times rank. Returns the
 * path.
 * @throws Error on what such files cannot contain: DoRA, trained biases, a trained head.
 */
export async function saveGgufAdapter(
  folder: string,
  base: { config: PretrainedConfig; blueprint: Blueprint; name: string },
  adapter: AdapterUpdate,
  type: (typeof adapterTypes)[number],
  options: FileOptions,
): Promise<string> {
  refuse(adapter, base.blueprint)
  const name = baseName(base.name)
  const path = join(folder, `${name}-lora.${type}.gguf`)
  const { alpha, tensors } = factors(base, adapter, type)
  const metadata: Record<string, GgufEntry> = {
    'general.architecture': ['string', ggufFamilyOf(base.config).architecture],
    'general.type': ['string', 'adapter'],
    'general.name': ['string', `${name}-lora`],
    'adapter.type': ['string', 'lora'],
    'adapter.lora.alpha': ['float32', alpha],
  }
  await writeGguf(path, metadata, tensors, options)
  return path
}

function refuse(adapter: AdapterUpdate, { tied }: Blueprint): void {
  const fail = (what: string): never => {
    throw new Error(
      `[save_pretrained_gguf] the adapter alone cannot be written as GGUF: ${what}. Write the merged model: save_method: 'merged'`,
    )
  }
  if (adapter.config.use_dora)
    fail('use_dora scales the rows of the merged weight, for which llama.cpp has no place in an adapter')
  const other = adapter.beyondPairs
  if (other !== undefined)
    fail(
      `it trained '${other}' ${adapter.replaced.has(other) ? 'in full' : 'in part'}, and such files hold pairs A and B only`,
    )
  if (tied && adapter.layers.has('lm_head'))
    fail("it is on lm_head, which in the base model is the embedding's weight and has no tensor of its own")
}

/** One alpha for all layers; if a layer has another scale, its B is multiplied by the ratio. */
function factors(
  base: { config: PretrainedConfig; blueprint: Blueprint },
  { layers }: AdapterUpdate,
  type: string,
): { alpha: number; tensors: GgufTensor[] } {
  const alphaOf = ({ scaling, a }: { scaling: number; a: Tensor }): number => scaling * a.rows
  const first = [...layers.values()].map(alphaOf).find((one) => one !== 0)
  const alpha = Math.fround(first ?? 1) // 0 would stand for a scale of 1
  const { head, layers: described } = base.blueprint
  const modules = [...described.flatMap((layer) => layer.modules), head]
  const tensors = modules.flatMap((module): GgufTensor[] => {
    const update = layers.get(module.key)
    if (!update) return []
    const name = `${module.gguf}.weight`
    const ratio = alphaOf(update) / alpha
    return [
      factor(`${name}.lora_a`, update.a, type, { group: 1 }),
      factor(`${name}.lora_b`, update.b, type, rowOrder(base, { module }), ratio),
    ]
  })
  return { alpha, tensors }
}

function factor(
  name: string,
  tensor: Tensor,
  type: string,
  order: ReturnType<typeof rowOrder>,
  ratio = 1,
): GgufTensor {
  return {
    ...{ name, shape: tensor.shape, type },
    async *data() {
      using values = await onHost(tensor, order)
      yield await encoded(await multiplied(values, ratio), type)
    },
  }
}

async function multiplied(values: Tensor, ratio: number): Promise<Tensor> {
  if (Math.abs(ratio - 1) < 1e-6) return values
  const data = await values.data()
  values.write(new Uint8Array(data.map((value) => value * ratio).buffer))
  return values
}
