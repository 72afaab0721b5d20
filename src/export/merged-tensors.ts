import { mergedRows } from '../nn/merged-rows'
import type { AdapterUpdate } from '../peft/adapter-update'
import { copy } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'
import type { SlicedTensor } from './sliced-tensor'

/** The tensor including the adapter's change, computed slice by slice. */
export function merged(tensor: SlicedTensor, adapter: AdapterUpdate): SlicedTensor {
  const other = adapter.replaced.get(tensor.key)
  if (other)
    return mapped(tensor, (slice, begin) => {
      using values = other.slice(begin, begin + slice.shape[0]!)
      const out = slice.device.empty(slice.shape, slice.dtype)
      copy(values, out)
      return out
    })
  const trained = adapter.rows.get(tensor.key)
  if (trained) return mapped(tensor, (slice, begin) => withRows(slice, begin, trained))
  const update = adapter.layers.get(tensor.module.key)
  if (!update || !tensor.key.endsWith('.weight')) return tensor
  return mapped(tensor, (slice, begin) => mergedRows(slice, update, begin))
}

/** The slice with those of the trained rows that lie in it. */
function withRows(
  slice: Tensor,
  begin: number,
  { indices, values }: { indices: readonly number[]; values: Tensor },
): Tensor {
  const out = slice.device.empty(slice.shape, slice.dtype)
  copy(slice, out)
  indices.forEach((id, i) => {
    if (id < begin || id >= begin + slice.shape[0]!) return
    using from = values.slice(i, i + 1)
    using to = out.slice(id - begin, id - begin + 1)
    copy(from, to)
  })
  return out
}

/** `make` gets a slice and the index of its first row, and returns a new tensor. */
function mapped(tensor: SlicedTensor, make: (slice: Tensor, begin: number) => Tensor): SlicedTensor {
  return {
    ...tensor,
    quantized: undefined,
    async *slices(rows) {
      let begin = 0
      for await (const slice of tensor.slices(rows)) {
        using made = make(slice, begin)
        yield made
        begin += slice.shape[0]!
      }
    },
  }
}
