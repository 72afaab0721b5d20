import { describe, expect, it } from 'vitest'
import type { MimeBundle, Output } from '../../src/display/output'
import { MemoryError } from '../../src/memory/suggestions'
import { HfArgumentParser } from '../../src/options/argument-parser'
import { TrainingArguments } from '../../src/trainer/arguments'
import { batchSizes, planMemory } from '../../src/trainer/apply-memory-plan'
import type { SFTTrainer } from '../../src/trainer/sft-trainer'
import { liveBytes } from '../models/tiny'
import { tinyTrainer } from './tiny'

const quiet = { disable_tqdm: true }

async function trained(trainer: SFTTrainer): Promise<Float32Array[]> {
  await trainer.train()
  return Promise.all(trainer.model.parameters().map((p) => p.data.data()))
}

describe('the option memory', () => {
  it.each([
    ['fast', 'fast'],
    ['lean', 'lean'],
    [123456789, 123456789],
    ['6.3GiB', Math.floor(6.3 * 2 ** 30)],
    ['800 MB', 800e6],
    [null, null],
  ])('%s is read as %s', (given, read) => {
    expect(new TrainingArguments({ memory: given as never }).memory).toBe(read)
  })

  it('anything else is refused with what would fit', () => {
    for (const memory of ['small', 0, -5, '3 apples', 1.5]) {
      expect(() => new TrainingArguments({ memory: memory as never })).toThrow(
        /memory: got .*, needs 'fast', 'balanced', 'lean', a number of bytes such as '6\.3GiB', or null/,
      )
    }
  })

  it('can be given on the command line', () => {
    const read = (text: string): unknown =>
      new HfArgumentParser([TrainingArguments]).parse_args_into_dataclasses(['--memory', text])[0].memory
    expect(['lean', '2GiB', '5000000'].map(read)).toEqual(['lean', 2 * 2 ** 30, 5000000])
  })
})

describe('a run', () => {
  it.each(['fast', 'balanced', 'lean', '1GiB'] as const)('with memory %s learns the same', async (memory) => {
    const plain = await trained(await tinyTrainer())
    const trainer = await tinyTrainer({ ...quiet, memory: memory as never })
    expect(await trained(trainer)).toEqual(plain)
    const plan = trainer.model.base_model.memory_plans!.planFor({ tokens: 1e6, sequences: 2, longest: 1e6 })
    expect(plan.mlpRows).toBe(memory === 'lean' ? 4096 : undefined)
    expect(plan.layers[0]!.mlp).toBe(memory === 'lean' ? 'recompute' : 'keep')
  })

  it('lets smaller batches keep more', async () => {
    const trainer = await tinyTrainer({
      ...quiet,
      memory: 'lean',
      train_sampling_strategy: 'group_by_length',
    })
    await trainer.train()
    const plans = trainer.model.base_model.memory_plans!
    const [small, large] = [28, 96].map((tokens) =>
      plans.planFor({ tokens, sequences: 2, longest: tokens / 2 }),
    )
    expect(large!.layers.map((layer) => layer.mlp)).toEqual(['recompute', 'recompute', 'recompute'])
    expect(small!.layers.map((layer) => layer.mlp)).toContain('keep')
  })

  it('on the CPU without the option has no plan of its own', async () => {
    const trainer = await tinyTrainer()
    await trainer.train()
    expect(trainer.model.base_model.memory_plans).toBe(undefined)
  })

  it('that does not fit ends before anything is allocated', async () => {
    const trainer = await tinyTrainer({ ...quiet, memory: '300KB' as never })
    const before = await liveBytes()
    await expect(trainer.train()).rejects.toThrow(MemoryError)
    await expect(trainer.train()).rejects.toThrow(
      /^\[memory\] a step of \d+ tokens needs .* of which 29\d\.\d KiB may be used/,
    )
    expect(await liveBytes()).toBe(before)
  })

  it('shows its plan', async () => {
    const trainer = await tinyTrainer({ memory: 'lean' })
    const shown: MimeBundle[] = []
    const output: Output = {
      kind: 'plain',
      bundles: true,
      show: (bundle) => (shown.push(bundle), { update: () => {} }),
    }
    const sizes = [{ tokens: 96, sequences: 2, longest: 48 }]
    const planned = planMemory(trainer.model, trainer.args, sizes, { output })!
    expect(shown).toHaveLength(1)
    expect(shown[0]!['text/plain']).toContain('for 96 tokens at a time')
    expect(shown[0]!['text/plain']).toContain('gate and up: recomputed')
    expect(planned.peaks.device).toBeGreaterThan(4 * 512 * 64 * 2)
  })
})

it('sizes of batches', () => {
  expect(batchSizes([[0, 1, 2], [3]], [[5], [9], [2], [20, 10]])).toEqual([
    { tokens: 16, sequences: 3, longest: 9 },
    { tokens: 30, sequences: 2, longest: 20 },
  ])
})
