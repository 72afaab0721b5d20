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
  const update = adapter.layers.get(tensor.module.key)
  if (!update || !tensor.key.endsWith('.weight')) return tensor
  return mapped(tensor, (slice, begin) => mergedRows(slice, update, begin))
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
