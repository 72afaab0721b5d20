import { join } from 'node:path'
import { writeFileAtomic } from '../files/atomic'
import type { AdapterUpdate } from '../peft/adapter-update'
import { copyColumns } from '../tensor/ops'
import { save_safetensors } from '../tensor/safetensors'
import type { Tensor } from '../tensor/tensor'

/**
 * Writes an adapter in mlx-lm's layout: `adapters.safetensors` with A [in, r] and B [r, out] of each layer
 * (DoRA's magnitude as `m`), and `adapter_config.json`, whose `scale` is the final factor. mlx-lm has one rank
 * and one scale for all layers: if a layer has another scale, its B is multiplied by the ratio.
 * @throws Error when ranks differ, or a module was trained in full.
 */
export async function saveMlxAdapter(folder: string, adapter: AdapterUpdate, layers: number): Promise<void> {
  const { config, beyondPairs: full } = adapter
  const fail = (what: string): never => {
    throw new Error(`[save_pretrained_mlx] mlx-lm's layout has no place for this adapter: ${what}`)
  }
  if (full !== undefined) fail(`it trained '${full}' ${adapter.replaced.has(full) ? 'in full' : 'in part'}`)
  const updates = [...adapter.layers]
  const rank = updates[0]![1].a.rows
  const other = updates.find(([, { a }]) => a.rows !== rank)
  if (other) fail(`'${other[0]}' has rank ${other[1].a.rows}, others ${rank}`)
  const scale = updates.find(([, { scaling }]) => scaling !== 0)?.[1].scaling ?? 1
  using scope = updates[0]![1].a.device.scope()
  const transposed = (tensor: Tensor, factor: number): Tensor => {
    const out = scope.empty([tensor.cols, tensor.rows], tensor.dtype)
    copyColumns(tensor, out, 0, { transpose: true, scale: factor })
    return out
  }
  const tensors: Record<string, Tensor> = {}
  for (const [name, { a, b, scaling, magnitude }] of updates) {
    tensors[`${name}.lora_a`] = transposed(a, 1)
    tensors[`${name}.lora_b`] = transposed(b, scaling / scale)
    if (magnitude) tensors[`${name}.m`] = magnitude
  }
  const keys = [...new Set(updates.map(([name]) => name.replace(/^model\.layers\.\d+\./, '')))]
  const settings = {
    fine_tune_type: config.use_dora ? 'dora' : 'lora',
    model: config.base_model_name_or_path,
    num_layers: layers,
    lora_parameters: { rank, scale, dropout: config.lora_dropout, keys },
  }
  await save_safetensors(join(folder, 'adapters.safetensors'), tensors, { format: 'mlx' }, () =>
    writeFileAtomic(join(folder, 'adapter_config.json'), `${JSON.stringify(settings, null, 4)}\n`),
  )
}
