import { describe, expect, it } from 'vitest'
import { llama8b } from '../../scripts/bench/random-model.mjs'
import { cardOf } from '../../src/memory/cards'
import { plan_memory } from '../../src/memory/plan-memory'
import { forecastBundle } from '../../src/memory/plan-panel'
import { Planner } from '../../src/memory/planner'
import { cudaMachine } from '../../src/memory/machine'
import { step8B } from './step-8b'

const GIB = 2 ** 30
const small = {
  ...{ model_type: 'llama', hidden_size: 64, intermediate_size: 128, num_hidden_layers: 2, vocab_size: 512 },
  ...{ num_attention_heads: 4, num_key_value_heads: 2, rms_norm_eps: 1e-5, max_position_embeddings: 4096 },
}

describe('plan_memory', () => {
  it('is what the planner of a run says for the same step and card', async () => {
    const forecast = await plan_memory({
      config: llama8b(32),
      card: 'H100 80GB',
      r: 32,
      lengths: 2048,
      batch: 2,
      optim: 'adamw_torch',
      host_memory: '64GiB',
    })
    const planner = new Planner(
      step8B(4096, 2),
      cudaMachine(cardOf('H100 80GB').memory - 0.75 * GIB, 64 * GIB),
    )
    const [fast, lean] = forecast.cases[0]!.plans
    expect(fast!.peak).toBe(planner.choose('fast', true).peaks.device)
    expect(lean!.peak).toBe(planner.choose('lean', true).peaks.device)
    expect(lean!.host).toBe(planner.choose('lean', true).peaks.host)
    expect(lean!.host).toBeGreaterThan(GIB)
    const device = lean!.items.filter(({ place }) => place === 'device')
    expect(device.reduce((n, { bytes }) => n + bytes, 0)).toBe(lean!.peak)
  })

  it('tells what fits an 8 GB and a 12 GB card', async () => {
    const forecast = await plan_memory({
      config: llama8b(32),
      cards: ['RTX 4060 8GB', '12GB', '4GiB'],
      lengths: 2048,
    })
    const fits = forecast.cases.map(({ card, fits }) => [card, fits?.memory])
    expect(fits).toEqual([
      ['RTX 4060 8GB', 'lean'],
      ['12GB', 'fast'],
      ['4GiB', undefined],
    ])
    // The published budget of docs/benchmarks: Llama-3-8B, one row of 2,048 tokens, leanly in 5 to 5.2 GiB.
    expect(forecast.cases[0]!.plans[1]!.peak / GIB).toBeGreaterThan(4.9)
    expect(forecast.cases[0]!.plans[1]!.peak / GIB).toBeLessThan(5.3)
    expect(forecast.cases[1]!.fits!.tokens_per_second).toBeUndefined()
    expect(forecast.rows[2]!['fits']).toBe('no')
  })

  it('goes through every rank, length and batch, and takes a budget', async () => {
    const forecast = await plan_memory({
      config: small,
      cards: '8GB',
      r: [4, 64],
      lengths: [128, 256],
      batch: [1, 2],
      memory: ['fast', '1MB'],
    })
    expect(forecast.cases.map(({ r, length, batch }) => `${r} ${length} ${batch}`)).toEqual([
      '4 128 1',
      '4 128 2',
      '4 256 1',
      '4 256 2',
      '64 128 1',
      '64 128 2',
      '64 256 1',
      '64 256 2',
    ])
    const peak = forecast.cases.map(({ plans }) => plans[0]!.peak)
    expect(peak[1]!).toBeGreaterThan(peak[0]!)
    expect(peak[4]!).toBeGreaterThan(peak[0]!)
    expect(forecast.cases[7]!.plans[1]!.fits).toBe(false)
  })

  it.each([
    [{ cards: 'RTX 406', config: small }, /no card 'RTX 406'.*Did you mean 'RTX 4060 8GB'/],
    [{ cards: 'RTX 4060 Ti 16GB' }, /give either model .* or config/],
    [{ config: small, rank: 4 }, /unknown option 'rank'/],
    [{ config: small, r: [0] }, /r: got.*a whole number >= 1/],
    [{ config: small, memory: 'leen' }, /memory: got 'leen'.*'lean'/],
    [{ model: '/no/such/folder' }, /no\/such\/folder/],
  ])('refuses %j', async (options, message) => {
    await expect(plan_memory(options as never)).rejects.toThrow(message)
  })
})

describe('the panel', () => {
  it('has a slider for what has a choice, all figures in the page, and text without scripts', async () => {
    const forecast = await plan_memory({ config: small, cards: ['8GB', 'rtx 4090'], r: [4, 8], lengths: 128 })
    const { 'text/html': html, 'text/plain': text } = forecastBundle(forecast)
    expect(
      [...String(html).matchAll(/<input type="range" name="(\w+)" min="0" max="(\d)"/g)].map((m) =>
        m.slice(1),
      ),
    ).toEqual([
      ['card', '1'],
      ['r', '1'],
    ])
    expect(String(html).split('<script>')[0]).toMatch(/fits with memory: 'fast'/)
    expect(text).toContain('RTX 4090 24GB')
  })
})
