import type { Described, DescribedTensor, NativeAddon } from '../native/contract'
import type { Operations } from '../native/operations.generated'

type SizeFunctions = Pick<NativeAddon, 'scratch_bytes' | 'scratch_operations' | 'allocation_bytes'>

/**
 * The sizes of a backend's memory, as its native code reports them. Each question is asked once: the search for a plan makes many dry
 * runs, and a dry run asks the same for every layer.
 */
export class Sizes {
  private readonly scratches: ReadonlyMap<string, Map<string, number>>
  private readonly allocations = { device: new Map<number, number>(), host: new Map<number, number>() }

  constructor(
    private readonly backend: 'cpu' | 'cuda',
    private readonly native: SizeFunctions,
  ) {
    this.scratches = new Map(native.scratch_operations(backend).map((name) => [name, new Map()]))
  }

  /** Bytes that an operation needs while it runs, in addition to its tensors. */
  scratch<Name extends keyof Operations>(name: Name, args: Described<Parameters<Operations[Name]>>): number {
    const known = this.scratches.get(name)
    if (!known) return 0
    const key = keyOf(args)
    let bytes = known.get(key)
    if (bytes === undefined) known.set(key, (bytes = this.native.scratch_bytes(this.backend, name, args)))
    return bytes
  }

  /** Bytes of device memory, or of page-locked host memory, that a tensor of `bytes` bytes occupies. */
  allocation(place: 'device' | 'host', bytes: number): number {
    const known = this.allocations[place]
    let taken = known.get(bytes)
    if (taken === undefined) {
      known.set(bytes, (taken = this.native.allocation_bytes(this.backend, place, bytes)))
    }
    return taken
  }
}

/** A text that is equal for equal numbers, strings, and dtypes and shapes of tensors. */
function keyOf(args: readonly unknown[]): string {
  let key = ''
  for (const argument of args) key += textOf(argument) + ' '
  return key
}

function textOf(argument: unknown): string {
  if (typeof argument !== 'object' || argument === null) return `${argument as string}`
  const { dtype, shape } = argument as Partial<DescribedTensor>
  if (!shape) return keyOf(Object.values(argument))
  let text: string = dtype!
  for (const size of shape) text += 'x' + size
  return text
}
