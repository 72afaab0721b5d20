const U32 = 0xffffffff
const M64 = (1n << 64n) - 1n
const M128 = (1n << 128n) - 1n
const MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n

/**
 * The random numbers of `numpy.random.default_rng(seed)`: PCG64 (XSL-RR 128/64), seeded by NumPy's
 * SeedSequence, so that rows have the same order as in Python's `datasets`.
 */
export class NumpyGenerator {
  private state: bigint
  private readonly increment: bigint
  /** The unused upper half of a 64-bit number. */
  private half: number | undefined

  /** @throws RangeError when the seed is not an integer of at least 0. */
  constructor(seed: number | bigint) {
    if (!(typeof seed === 'bigint' || Number.isSafeInteger(seed)) || seed < 0)
      throw new RangeError(`seed: got ${String(seed)}, needs an integer from 0 on`)
    const [a, b, c, d] = seedWords(BigInt(seed))
    this.increment = ((((c! << 64n) | d!) << 1n) | 1n) & M128
    this.state = 0n
    this.step()
    this.state = (this.state + ((a! << 64n) | b!)) & M128
    this.step()
  }

  /** A 64-bit number. */
  next64(): bigint {
    this.step()
    const mixed = (this.state >> 64n) ^ (this.state & M64)
    const turn = this.state >> 122n
    return ((mixed >> turn) | (mixed << (64n - turn))) & M64
  }

  /** `permutation(n)`: a random order of 0 ... n-1. */
  permutation(n: number): Int32Array {
    const order = Int32Array.from({ length: n }, (_, i) => i)
    for (let i = n - 1; i > 0; i--) {
      const j = this.upTo(i)
      const held = order[i]!
      order[i] = order[j]!
      order[j] = held
    }
    return order
  }

  private next32(): number {
    const kept = this.half
    if (kept !== undefined) {
      this.half = undefined
      return kept
    }
    const both = this.next64()
    this.half = Number(both >> 32n)
    return Number(both & 0xffffffffn)
  }

  /**
   * An integer from 0 to `most` (below 2^32): draws as many low bits as it has, again and again until the
   * number is not larger.
   */
  private upTo(most: number): number {
    const mask = U32 >>> Math.clz32(most)
    for (;;) {
      const value = (this.next32() & mask) >>> 0
      if (value <= most) return value
    }
  }

  private step(): void {
    this.state = (this.state * MULTIPLIER + this.increment) & M128
  }
}

/** Four 64-bit words of SeedSequence(seed).generate_state(4, uint64). */
function seedWords(seed: bigint): bigint[] {
  const entropy: number[] = []
  for (let rest = seed; rest > 0n || entropy.length === 0; rest >>= 32n)
    entropy.push(Number(rest & 0xffffffffn))
  let constant = 0x43b0d7e5
  const hashed = (value: number): number => {
    const mixed = value ^ constant
    constant = Math.imul(constant, 0x931e8875)
    const product = Math.imul(mixed, constant)
    return product ^ (product >>> 16)
  }
  const mix = (x: number, y: number): number => {
    const sum = Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y)
    return sum ^ ((sum & U32) >>> 16)
  }
  const pool = [0, 1, 2, 3].map((i) => hashed(entropy[i] ?? 0))
  for (let from = 0; from < 4; from++)
    for (let to = 0; to < 4; to++) if (from !== to) pool[to] = mix(pool[to]!, hashed(pool[from]!))
  for (const word of entropy.slice(4)) for (let to = 0; to < 4; to++) pool[to] = mix(pool[to]!, hashed(word))
  constant = 0x8b51f9dd
  const words = Array.from({ length: 8 }, (_, i) => {
    const mixed = pool[i % 4]! ^ constant
    constant = Math.imul(constant, 0x58f38ded)
    const product = Math.imul(mixed, constant)
    return BigInt((product ^ (product >>> 16)) >>> 0)
  })
  return [0, 2, 4, 6].map((i) => words[i]! | (words[i + 1]! << 32n))
}
