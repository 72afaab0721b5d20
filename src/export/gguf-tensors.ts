import type { GgufTensor } from '../files/gguf-write'
import { addon } from '../native/addon'
import type { LayerBlueprint } from '../models/blueprint'
import { ggufFamilyOf } from '../models/gguf-metadata'
import { interleavedRows } from '../models/gguf-names'
import { ropeTensors } from '../models/gguf-rope'
import { Device } from '../tensor/device'
import { copy, gatherRows } from '../tensor/ops'
import { Tensor } from '../tensor/tensor'
import type { ExportedModel } from './exported-model'
import { tensorType } from './gguf-methods'
import type { SlicedTensor } from './sliced-tensor'

const plainTypes = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' } as const
type BlockType = Parameters<ReturnType<typeof addon>['quantize_ggml']>[1]

/** The model's tensors in a GGUF file of this method. */
export function ggufTensors(model: ExportedModel, method: string): GgufTensor[] {
  const { tied, layers } = model.blueprint
  const tensors = model.tensors.map((tensor): GgufTensor => {
    const name = `${tensor.module.gguf}.${tensor.key.split('.').at(-1)!}`
    const { shape } = tensor
    const type = tensorType(method, { name, shape, layers: layers.length, tied })
    return {
      name,
      shape,
      type,
      data: () => encodedRows(tensor, type, rowOrder(model, tensor), added(model, tensor)),
    }
  })
  for (const [name, factors] of ropeTensors(model.config))
    tensors.unshift({
      ...{ name, shape: [factors.length], type: 'F32' },
      async *data() {
        yield new Uint8Array(factors.buffer)
      },
    })
  return tensors
}

/** The number that the file's norm weights contain in addition to the checkpoint's. */
function added({ config }: ExportedModel, { module }: SlicedTensor): 0 | 1 {
  return module.kind === 'rms_norm' && ggufFamilyOf(config).normsAddOne ? 1 : 0
}

/** The order of a head's rows in files that interleave them. */
export interface RowOrder {
  /** Rows of a head; 1 if the order is unchanged. */
  group: number
  /** The checkpoint's row for each row of a group; undefined: unchanged. */
  from?: readonly number[] | undefined
}

export function rowOrder(
  { config, blueprint }: Pick<ExportedModel, 'config' | 'blueprint'>,
  { module }: Pick<SlicedTensor, 'module'>,
): RowOrder {
  if (!ggufFamilyOf(config).interleavesHeads || !/\.attn_[qk]$/.test(module.gguf)) return { group: 1 }
  const layer = blueprint.layers.find(({ modules }) => modules.includes(module))
  const group = (layer ?? ({ headDim: config.head_dim } as LayerBlueprint)).headDim
  return { group, from: interleavedRows(group, 1) }
}

/** A tensor's bytes in one of ggml's types, slice by slice. */
async function* encodedRows(
  tensor: SlicedTensor,
  type: string,
  order: RowOrder,
  more: 0 | 1,
): AsyncGenerator<Uint8Array> {
  for await (const slice of tensor.slices(order.group)) {
    using values = await onHost(slice, order)
    if (more) values.write(new Uint8Array((await values.data()).map((value) => value + more).buffer))
    yield await encoded(values, type)
  }
}

/** The bytes of float32 values on the CPU in one of ggml's types. */
export async function encoded(values: Tensor, type: string): Promise<Uint8Array> {
  if (type in plainTypes) {
    using converted = values.device.empty(values.shape, plainTypes[type as keyof typeof plainTypes])
    copy(values, converted)
    return converted.bytes()
  }
  return new Uint8Array(await addon().quantize_ggml(values.handle, type as BlockType))
}

/** A slice as float32 on the CPU, with its rows in the file's order. */
export async function onHost(slice: Tensor, { group, from }: RowOrder): Promise<Tensor> {
  using scope = slice.device.scope()
  let ordered = slice
  if (from) {
    const index = Int32Array.from(
      { length: slice.shape[0]! },
      (_, row) => row - (row % group) + from[row % group]!,
    )
    const rows = scope.add(slice.view([slice.shape[0]!, slice.numel / slice.shape[0]!]))
    ordered = scope.empty(rows.shape, slice.dtype)
    gatherRows(rows, scope.add(Tensor.from(index, { device: slice.device })), ordered)
  }
  const cpu = Device.get('cpu')
  if (slice.device === cpu) {
    const out = cpu.empty(slice.shape, 'float32')
    using shaped = ordered.view(slice.shape)
    copy(shaped, out)
    return out
  }
  return Tensor.from(await ordered.data(), { shape: slice.shape, device: cpu })
}
