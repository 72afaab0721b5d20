import { describe, expect, it, vi } from 'vitest'
import { savedKinds, passSeconds, type SavedKind, type StepCosts } from '../../src/memory/costs'
import { cudaMachine } from '../../src/memory/machine'
import type { PlannedStep } from '../../src/memory/planned-step'
import { Planner } from '../../src/memory/planner'
import { fastestPlan } from '../../src/memory/search'
import {
  keepInput,
  uniformPlan,
  type Retention,
  type LayerPlan,
  type MemoryPlan,
} from '../../src/models/memory-plan'
import { step8B } from './step-8b'

const GiB = 2 ** 30
const all = (fate: Retention): LayerPlan =>
  Object.fromEntries(savedKinds.map((kind) => [kind, fate])) as unknown as LayerPlan

describe('seconds of a plan', () => {
  const machine = { ...cudaMachine(0, 0), rates: { ...cudaMachine(0, 0).rates, link: 100 } }
  const kind = (bytes: number, seconds: number): { bytes: number; seconds: number } => ({ bytes, seconds })
  const costs: StepCosts = {
    layer: {
      x: kind(100, Infinity),
      qkv: kind(200, 0.5),
      attention: kind(100, 0.25),
      attnResidual: kind(100, 0.125),
      mlp: kind(1000, 3),
    },
    forward: 10,
    backward: 20,
    head: 1,
    matrix: 0.1,
    tokens: 4096,
  }
  const seconds = (layers: LayerPlan[], rest: Partial<MemoryPlan> = {}): number =>
    passSeconds(costs, { layers, ...rest }, machine)
  const plain = 1 + 3 * 30
  const keep = all('keep')

  it('adds up what is recomputed', () => {
    expect(seconds([keep, keep, keep])).toBeCloseTo(plain)
    expect(seconds([keepInput, { ...keep, mlp: 'recompute' }, keep])).toBeCloseTo(plain + 3.875 + 3)
  })

  it('each further tile dequantizes the matrices anew, gate and up once more where they are recomputed', () => {
    const layers: LayerPlan[] = [keep, keep, { ...keep, mlp: 'recompute' }]
    expect(seconds(layers, { mlpRows: 1024 })).toBeCloseTo(plain + 3 + 3 * 0.1 * (6 + 6 + 8))
    expect(seconds(layers, { mlpRows: 4096 })).toBeCloseTo(plain + 3)
  })

  it('copies beside the work slow it a little', () => {
    const layers: LayerPlan[] = [{ ...keep, x: 'offload', attention: 'offload' }, keep, keep]
    expect(seconds(layers)).toBeCloseTo(plain + 0.07 * 4)
  })

  it('copies longer than the work beside them take their own time, out and back', () => {
    // 10 s of copies beside 10 s of the second layer's forward, then beside 20 s of its backward.
    const some: LayerPlan[] = [{ ...keep, mlp: 'offload' }, keep, keep]
    expect(seconds(some)).toBeCloseTo(plain + 0.07 * 20)
    const { mlp } = costs.layer
    mlp.bytes = 2500
    expect(seconds(some)).toBeCloseTo(plain + 15 + 5)
    mlp.bytes = 1000
  })

  it('without prefetch copies back are waited for', () => {
    const layers: LayerPlan[] = [{ ...keep, x: 'offload', qkv: 'offload' }, keep, keep]
    expect(seconds(layers, { prefetch: false })).toBeCloseTo(plain + 0.07 * 3 + 3)
  })

  it('the last layer has nothing beside its copies but the head', () => {
    expect(seconds([keep, keep, { ...keep, attnResidual: 'offload' }])).toBeCloseTo(plain + 2)
  })
})

describe('the fastest plan within a limit', () => {
  const gpu = cudaMachine(78 * GiB, 60 * GiB)

  /** Every plan that treats all layers alike, but for the last, which keeps what the others offload. */
  function* uniformPlans(layers: number, tokens: number): Generator<MemoryPlan> {
    const fates: Retention[] = ['keep', 'offload', 'recompute']
    for (let i = 0; i < 3 ** 5; i++) {
      const layer = Object.fromEntries(
        savedKinds.map((kind: SavedKind, k) => [kind, fates[Math.floor(i / 3 ** k) % 3]!]),
      ) as unknown as LayerPlan
      if ((layer.x as Retention) === 'recompute') continue
      const last = Object.fromEntries(
        savedKinds.map((kind) => [kind, layer[kind] === 'offload' ? 'keep' : layer[kind]]),
      ) as unknown as LayerPlan
      const plan = uniformPlan(layer, layers)
      for (const mlpRows of new Set([tokens, Math.max(2048, tokens / 2), 2048]))
        for (const prefetch of [true, false])
          yield { layers: [...plan.layers.slice(0, -1), last], mlpRows, prefetch, embedding: 'host' }
    }
  }

  it.each([
    [8192, 0],
    [8192, 0.15],
    [8192, 0.5],
    [2048, 0.1],
    [2048, 0.6],
  ])('%d tokens, %d of the way from least to most memory: no uniform plan is faster', (tokens, share) => {
    const planner = new Planner(step8B(tokens, 1, 'paged_adamw_8bit', 4), gpu)
    const plans = [...uniformPlans(4, tokens)].map((plan) => planner.planned(plan))
    const peaks = plans.map((p) => p.peaks.device)
    const limit = Math.min(...peaks) + share * (Math.max(...peaks) - Math.min(...peaks))
    const found = fastestPlan(planner, limit, 'host')!
    expect(planner.fits(found, limit)).toBe(true)
    const fastest = Math.min(...plans.filter((p) => planner.fits(p, limit)).map((p) => p.seconds))
    expect(found.seconds).toBeLessThanOrEqual(fastest * 1.001)
  })

  it('a long sequence: MLP in tiles, and to the host what the link carries', () => {
    const planner = new Planner(step8B(32768, 1, 'paged_adamw_8bit'), gpu)
    const [lean, found] = [planner.choose('lean', false), planner.choose(9 * GiB, false)]
    expect(found.peaks.device).toBeLessThanOrEqual(9 * GiB)
    expect(found.plan.layers[0]).toEqual({
      x: 'offload',
      qkv: 'offload',
      attention: 'offload',
      attnResidual: 'offload',
      mlp: 'recompute',
    })
    // 9.02 GiB if a tile's norm were held while its activations are.
    expect([lean.plan.mlpRows, found.plan.mlpRows]).toEqual([4096, 16384])
    expect(found.seconds).toBeLessThan(0.96 * lean.seconds)
  })

  it('sends to the host what that has room for: as many layers as fit', () => {
    const hosts = [4, 12, 30]
    const found: PlannedStep[] = hosts.map((host) =>
      new Planner(step8B(32768, 1, 'paged_adamw_8bit'), cudaMachine(12 * GiB, host * GiB)).choose(
        12 * GiB,
        false,
      ),
    )
    for (const { peaks } of found) expect(peaks.device).toBeLessThanOrEqual(12 * GiB)
    expect(found.map((p, i) => p.peaks.host / GiB <= hosts[i]!)).toEqual([true, true, true])
    const seconds = found.map((p) => p.seconds)
    expect(seconds).toEqual([...seconds].sort((a, b) => b - a))
    const inputs = found[0]!.plan.layers.map((layer) => layer.x)
    expect(new Set(inputs)).toEqual(new Set(['offload', 'keep']))
  })

  it('tries few plans', () => {
    const planner = new Planner(step8B(32768, 1, 'paged_adamw_8bit'), gpu)
    const tried = vi.spyOn(planner, 'planned')
    fastestPlan(planner, 9 * GiB, 'host')
    expect(tried.mock.calls.length).toBeLessThan(60)
  })

  it('is none when nothing fits', () => {
    expect(fastestPlan(new Planner(step8B(8192, 1), gpu), 3 * GiB, 'host')).toBe(undefined)
  })

  it('balanced takes tiles where whole MLPs do not fit', () => {
    const step = step8B(32768, 1, 'paged_adamw_8bit')
    const planned = new Planner(step, cudaMachine(9 * GiB, 60 * GiB)).choose('balanced', false)
    expect(planned.peaks.device).toBeLessThanOrEqual(9 * GiB)
    expect(planned.plan.mlpRows).toBeLessThan(32768)
  })
})
