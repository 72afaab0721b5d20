import { addon } from '../native/addon'
import type { Parameter } from '../nn/parameter'
import type { Tensor } from '../tensor/tensor'
import type { ParameterState } from './state'

/** A parameter with the state that its update reads and writes. */
export interface Stateful {
  p: Parameter
  state: ParameterState
}

/** State on the device at a time, twice: one part is updated while the next comes in. */
const PART_BYTES = 64 * 2 ** 20

/**
 * Updates parameters whose state is in page-locked host memory: part by part it comes to the device on the copy queue, is
 * updated there and goes back, so that the bus is busy with large copies. (Kernels that reached over the bus themselves moved 8 GB/s of
 * the 55 that copies do.)
 */
export function updatePaged(paged: readonly Stateful[], update: (part: readonly Stateful[]) => void): void {
  const parts = partsOf(paged)
  let last: Fetched[] = []
  let next = parts[0]?.map(fetch) ?? []
  parts.forEach((_, i) => {
    const current = next
    retire(last)
    next = parts[i + 1]?.map(fetch) ?? []
    for (const { state } of current) for (const t of state.tensors) addon().finish_copy(t.handle)
    update(current)
    for (const { state, home } of current)
      state.tensors.forEach((t, j) => addon().start_copy(t.handle, home[j]!.handle))
    last = current
  })
  retire(last)
}

interface Fetched extends Stateful {
  /** Where the state lives between updates. */
  home: readonly Tensor[]
}

function fetch({ p, state }: Stateful): Fetched {
  const tensors = state.tensors.map((home) => {
    const t = p.data.device.empty(home.shape, home.dtype)
    addon().start_copy(home.handle, t.handle)
    return t
  })
  return { p, state: { ...state, tensors }, home: state.tensors }
}

/** Waits, in the order of the queue, until the state is home. */
function retire(part: readonly Fetched[]): void {
  for (const { state, home } of part) {
    for (const t of home) addon().finish_copy(t.handle)
    for (const t of state.tensors) t.dispose()
  }
}

function partsOf(paged: readonly Stateful[]): Stateful[][] {
  const parts: Stateful[][] = []
  let bytes = Infinity
  for (const one of paged) {
    const size = one.state.tensors.reduce((n, t) => n + t.nbytes, 0)
    if (bytes + size > PART_BYTES) {
      parts.push([])
      bytes = 0
    }
    parts.at(-1)!.push(one)
    bytes += size
  }
  return parts
}
