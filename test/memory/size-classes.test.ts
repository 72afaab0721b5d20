import { describe, expect, it } from 'vitest'
import { uniformStream } from '../../src/tensor/uniform-stream'
import { DryRun, type StepShape } from '../../src/memory/dry-run'
import { cpuMachine, cudaMachine, type Machine } from '../../src/memory/machine'
import { attentionScratch, sizeClasses, type SizeClass } from '../../src/memory/size-classes'
import type { BatchSize } from '../../src/models/batch'
import { keepInput, keepProducts, uniformPlan, type MemoryPlan } from '../../src/models/memory-plan'
import { step8B } from './step-8b'

const size = (...lengths: number[]): BatchSize => ({
  tokens: lengths.reduce((a, b) => a + b, 0),
  sequences: lengths.length,
  longest: Math.max(...lengths),
})
const shape = (deterministic: boolean): StepShape => ({
  ...step8B(1, 1, 'paged_adamw_8bit', 2),
  deterministic,
})
const gpu = cudaMachine(1e12, 1e12)

describe('size classes', () => {
  it('are those that occur, ascending, each with the smallest size that holds its batches', () => {
    const sizes = [size(100, 300), size(400), size(130, 20), size(60, 60), size(90, 40, 20), size(10)]
    const classes = sizeClasses(sizes, [1 / 4, 1 / 2, 3 / 4, 1], shape(false), gpu)
    expect(classes.map((c) => c.size)).toEqual([
      { tokens: 10, sequences: 1, longest: 10 },
      { tokens: 150, sequences: 3, longest: 130 },
      { tokens: 400, sequences: 2, longest: 400 },
    ])
  })

  it.each([
    ['a GPU', gpu, false],
    ['a GPU, deterministic', gpu, true],
    ['the CPU', cpuMachine(1e12), false],
  ] as [string, Machine, boolean][])('no batch has a higher peak than those named: %s', (_, machine, det) => {
    const uniform = uniformStream(3)
    const step = shape(det)
    const run = new DryRun(step, machine)
    const plans: MemoryPlan[] = [
      uniformPlan(keepProducts, 2),
      { ...uniformPlan(keepInput, 2), mlpRows: 2048, embedding: 'host' },
    ]
    const check = (sizes: readonly BatchSize[]): void => {
      const [{ highest }] = sizeClasses(sizes, [1], step, machine) as unknown as [SizeClass]
      for (const plan of plans) {
        const peak = (some: readonly BatchSize[]): number =>
          Math.max(...some.map((one) => run.peaks(plan, one).device))
        expect(peak(highest), JSON.stringify(sizes)).toBe(peak(sizes))
      }
    }
    for (let i = 0; i < 30; i++) {
      const lengths = (): number[] =>
        Array.from({ length: 1 + Math.floor(uniform() * 5) }, () => 8 * Math.ceil(uniform() ** 3 * 1500))
      check(Array.from({ length: 5 }, () => size(...lengths())))
    }
    // Attention takes more for rows of different lengths, and from some length on less: then its own kernels run.
    check([size(8192, 8192), size(8200, 8000)])
    check([size(12000, 16000), size(9000, 11000)])
    // Fewer tokens may be more to predict.
    check([size(...Array<number>(40).fill(3)), size(104)])
  })

  it('of many batches few have to be looked at', () => {
    const uniform = uniformStream(5)
    const sizes = Array.from({ length: 2000 }, () =>
      size(...Array.from({ length: 4 }, () => 8 * Math.ceil(uniform() * 256))),
    )
    const [{ highest }] = sizeClasses(sizes, [1], shape(false), gpu) as unknown as [SizeClass]
    expect(highest.length).toBeLessThan(6)
  })

  it("attention's own memory is as a dry run has it", () => {
    for (const autocast of [undefined, 'bfloat16'] as const) {
      for (const quantization of [step8B(1, 1).quantization, undefined]) {
        const seen: number[] = []
        const machine: Machine = {
          ...gpu,
          sizes: {
            allocation: (place, bytes) => gpu.sizes.allocation(place, bytes),
            scratch: (name, args) => {
              const bytes = gpu.sizes.scratch(name, args)
              if (name === 'attention_backward') seen.push(bytes)
              return bytes
            },
          },
        }
        const step = { ...shape(false), dtype: 'float32' as const, autocast, quantization }
        const run = new DryRun(step, machine)
        for (const each of [size(256), size(130, 300, 90), size(256, 256)]) {
          seen.length = 0
          run.peaks(uniformPlan(keepInput, 2), each)
          expect(new Set(seen)).toEqual(new Set([attentionScratch(each, step, gpu)]))
        }
      }
    }
  })
})
