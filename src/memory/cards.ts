import { nearest } from '../options/nearest'
import { cudaMachine, type Machine } from './machine'
import { bytesOf } from './wish'

/** A graphics card as the planner knows it. */
export interface Card {
  /** 'RTX 4060 8GB' */
  name: string
  /** Bytes of memory, as the driver reports them. */
  memory: number
  /** Published rates: dense bfloat16 products with float32 sums, in operations per second; memory and host link (each direction), in bytes per second. */
  published?: { products: number; copies: number; link: number }
}

const MIB = 2 ** 20

/** Memory of CUDA's context and libraries, which plans do not include: 0.5 to 1.2 GiB were measured. */
export const CONTEXT_BYTES: number = 0.75 * 2 ** 30

const card = (name: string, mib: number, teraflops: number, gigabytes: number, link: number): Card => ({
  name,
  memory: mib * MIB,
  published: { products: teraflops * 1e12, copies: gigabytes * 1e9, link: link * 1e9 },
})

/** The cards that `plan_memory` knows by name; for others give the size, '12GB'. A T4 has no bfloat16. */
export const cards: readonly Card[] = [
  card('RTX 3060 12GB', 12_288, 25.5, 360, 25),
  card('RTX 3070 8GB', 8_192, 40.6, 448, 25),
  card('RTX 3080 10GB', 10_240, 59.5, 760, 25),
  card('RTX 3090 24GB', 24_576, 71, 936, 25),
  card('RTX 4060 8GB', 8_188, 30.2, 272, 12),
  card('RTX 4060 Ti 16GB', 16_380, 44, 288, 12),
  card('RTX 4070 12GB', 12_282, 58.3, 504, 25),
  card('RTX 4080 16GB', 16_376, 97.5, 717, 25),
  card('RTX 4090 24GB', 24_564, 165, 1008, 25),
  card('RTX 5070 12GB', 12_227, 61.7, 672, 54),
  card('RTX 5080 16GB', 16_303, 112.6, 960, 54),
  card('RTX 5090 32GB', 32_607, 209.5, 1792, 54),
  card('T4 16GB', 15_360, 65, 320, 12),
  card('A10G 24GB', 23_028, 70, 600, 25),
  card('L4 24GB', 23_034, 121, 300, 25),
  card('L40S 48GB', 46_068, 362, 864, 25),
  card('A100 40GB', 40_960, 312, 1555, 25),
  card('A100 80GB', 81_920, 312, 2039, 25),
  card('H100 80GB', 81_559, 989, 3350, 54),
  card('H200 141GB', 143_771, 989, 4800, 54),
]

/**
 * A card by its name in `cards` (ignoring case; the size can be omitted if it is unique, 'rtx 4090'), or by its memory ('12GB').
 * @throws TypeError naming the nearest known card.
 */
export function cardOf(name: string): Card {
  const plain = (text: string): string => text.toLowerCase().replace(/nvidia|geforce|\s|-|_/g, '')
  const wanted = plain(name)
  const exact = cards.find((one) => plain(one.name) === wanted)
  if (exact) return exact
  const started = cards.filter((one) => plain(one.name.replace(/ \d+GB$/, '')) === wanted)
  if (started.length === 1) return started[0]!
  const size = bytesOf(name)
  // Cards are sold in binary sizes, even if the label says GB.
  if (size !== undefined) return { name, memory: /ib$/i.test(name.trim()) ? size : (size / 1e9) * 2 ** 30 }
  const known = cards.map((one) => one.name)
  const near = started.length > 1 ? started.map((one) => one.name).join(' or ') : nearest(name, known)
  const hint = near === undefined ? '' : ` Did you mean '${near}'?`
  throw new TypeError(
    `[plan_memory] no card '${name}' is known.${hint} Known: ${known.join(', ')}; or give its memory, '12GB'`,
  )
}

/** An H100 reaches 680 of its 989 published TFLOP/s and 2.9 of 3.35 TB/s; other cards are assumed to reach the same shares. */
export function machineOfCard({ memory, published }: Card, host: number): Machine {
  const { products, copies, link } = published ?? cardOf('RTX 4060 8GB').published!
  const machine = cudaMachine(memory - CONTEXT_BYTES, host, products / 989e12)
  return { ...machine, rates: { ...machine.rates, copies: (copies * 2.9) / 3.35, link } }
}
