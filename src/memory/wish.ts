import { z } from 'zod'
import type { Schema } from '../options/declaration'
import type { MemoryWish } from './planner'

/** The bytes of a size such as '6.6GiB' or '8GB'; undefined if the text is not a size. */
export function bytesOf(text: string): number | undefined {
  const [, number, unit] = /^\s*([\d.]+)\s*([KMG]i?B)\s*$/i.exec(text) ?? []
  return number && unit ? Math.floor(Number(number) * units[unit.toUpperCase()]!) : undefined
}

const units: Readonly<Record<string, number>> = {
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
}

const unit = "'KB' | 'MB' | 'GB' | 'KiB' | 'MiB' | 'GiB'"
/** Sizes as users write them, '6.6GiB': the compiler checks the unit. */
const bytes = `\`\${number}\${${unit}}\` | \`\${number} \${${unit}}\``

export const memoryInput: string = `'fast' | 'balanced' | 'lean' | ${bytes} | number | null`

/** The option `memory`; sizes become bytes. */
export const memory: Schema<MemoryWish> = z
  .preprocess(
    (value) => (typeof value === 'string' ? (bytesOf(value) ?? value) : value),
    z.union([z.enum(['fast', 'balanced', 'lean']), z.int().min(1), z.null()]),
  )
  .describe(
    "'fast', 'balanced', 'lean', a number of bytes such as '6.3GiB', or null",
  ) as unknown as Schema<MemoryWish>
