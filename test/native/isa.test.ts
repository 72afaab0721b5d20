import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { relativeError } from './harness'

interface Run {
  info: string
  results: Record<string, string>
}

async function run(environment: Record<string, string>): Promise<Run> {
  const { stdout } = await promisify(execFile)(process.execPath, [join(__dirname, 'isa-child.mjs')], {
    env: { ...process.env, ...environment },
    maxBuffer: 2 ** 28,
  })
  return JSON.parse(stdout) as Run
}

const isaOf = (info: string): string => /^isa=(\w+)$/m.exec(info)![1]!
const levels = ['baseline', 'avx2', 'avx512']
const baseline = run({ QLORA_ISA: 'baseline' })

/** One more or one fewer rounding where an FMA or another order of sums falls on the other side. */
function tolerance(name: string): number {
  if (name.includes('bfloat16')) return 1e-3
  if (name.includes('float16')) return 2e-4
  return 1e-6
}

function bytes(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(base64, 'base64'))
}

describe.each([{ QLORA_ISA: 'avx2' }, { QLORA_ISA: 'avx512', QLORA_NO_BF16: '1' }, { QLORA_ISA: 'avx512' }])(
  'with %o',
  (environment) => {
    it('every operation gives what plain C++ gives', async () => {
      const [plain, other] = [await baseline, await run(environment)]
      expect(isaOf(plain.info)).toBe('baseline')
      // a CPU that lacks the one asked for takes its best: then this compares that
      expect(levels.indexOf(isaOf(other.info))).toBeLessThanOrEqual(levels.indexOf(environment.QLORA_ISA))
      expect(Object.keys(other.results)).toEqual(Object.keys(plain.results))
      for (const [name, result] of Object.entries(other.results)) {
        if (name.startsWith('codes')) {
          expect(result, name).toBe(plain.results[name])
          continue
        }
        const [got, want] = [result, plain.results[name]!].map((r) => new Float32Array(bytes(r).buffer)) as [
          Float32Array,
          Float32Array,
        ]
        const error = relativeError(got, want)
        if (!(error <= tolerance(name))) expect.fail(`${name}: relative difference ${error}`)
      }
    })
  },
)

it('refuses an instruction set that does not exist', async () => {
  await expect(run({ QLORA_ISA: 'sse9' })).rejects.toThrow("expected avx512, avx2 or baseline, got 'sse9'")
})
