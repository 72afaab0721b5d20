import type { Described, DescribedTensor, NativeAddon } from '../native/contract'
import type { Operations } from '../native/operations.generated'

type SizeFunctions = Pick<NativeAddon, 'scratch_bytes' | 'scratch_operations' | 'allocation_bytes'>

/**
 * What a backend's memory takes, as its native code says. Each question is asked once: a plan is searched with many dry runs, and a
 * dry run asks the same of every layer.
 */
export class Sizes {
  private readonly withScratch: ReadonlySet<string>
  private readonly scratches: Map<string, number> = new Map()
  private readonly allocations: Map<string, number> = new Map()

  constructor(
    private readonly backend: 'cpu' | 'cuda',
    private readonly native: SizeFunctions,
  ) {
    this.withScratch = new Set(native.scratch_operations(backend))
  }

  /** Bytes that an operation takes while it runs, beside its tensors. */
  scratch<Name extends keyof Operations>(name: Name, args: Described<Parameters<Operations[Name]>>): number {
    if (!this.withScratch.has(name)) return 0
    const key = `${name} ${keyOf(args)}`
    return remembered(this.scratches, key, () => this.native.scratch_bytes(this.backend, name, args))
  }

  /** Bytes that a tensor of so many takes of the device's memory, or of the host's that is page-locked. */
  allocation(place: 'device' | 'host', bytes: number): number {
    const ask = (): number => this.native.allocation_bytes(this.backend, place, bytes)
    return remembered(this.allocations, `${place} ${bytes}`, ask)
  }
}

function remembered(answers: Map<string, number>, key: string, ask: () => number): number {
  let answer = answers.get(key)
  if (answer === undefined) answers.set(key, (answer = ask()))
  return answer
}

/** Equal for arguments that look alike. */
function keyOf(argument: unknown): string {
  if (typeof argument !== 'object' || argument === null) return String(argument)
  if (Array.isArray(argument)) return argument.map(keyOf).join(' ')
  const { dtype, shape } = argument as Partial<DescribedTensor>
  return shape ? `${dtype} ${shape.join('x')}` : Object.values(argument).map(keyOf).join(' ')
}
