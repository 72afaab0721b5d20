import { describe, expect, it } from 'vitest'
import { uniformStream } from '../../src/tensor/uniform-stream'
import { generateOptions, type GenerateOptions } from '../../src/generation/options'
import { rulesOf } from '../../src/generation/rules'
import { argmax, draw, largest, leastOfLargest } from '../../src/generation/select'

const plain: GenerateOptions = { do_sample: true, top_k: 0 }

function chooseToken(
  scores: Float32Array,
  seen: number[],
  options: GenerateOptions,
  uniform: () => number,
): number {
  const o = generateOptions(options, {})
  const context = { batch: 0, prompt: seen, limit: 100, ends: [] }
  for (const rule of rulesOf(o, context)) rule(seen, scores)
  return o.do_sample ? draw(scores, 1, uniform)[0]! : argmax(scores)
}

const never = (): number => {
  throw new Error('greedy search must not draw')
}

/** Shares of 4,000 draws by token. */
function shares(logits: readonly number[], options: GenerateOptions, seen: number[] = []): number[] {
  const uniform = uniformStream(11)
  const counts = logits.map(() => 0)
  for (let i = 0; i < 4000; i++)
    counts[chooseToken(Float32Array.from(logits), seen, { ...plain, ...options }, uniform)]!++
  return counts.map((n) => n / 4000)
}

/** Within four standard deviations of the expected shares. */
function expectShares(found: number[], expected: number[]): void {
  found.forEach((share, i) => {
    const p = expected[i]!
    expect(Math.abs(share - p), `token ${i}`).toBeLessThanOrEqual(4 * Math.sqrt((p * (1 - p)) / 4000))
  })
}

const logs = (...weights: number[]): number[] => weights.map(Math.log)

describe('greedy', () => {
  it('takes the most probable token, the first among equals', () => {
    const greedy = { ...plain, do_sample: false }
    expect(chooseToken(Float32Array.of(1, 3, 2), [], greedy, never)).toBe(1)
    expect(chooseToken(Float32Array.of(1, 3, 3), [], greedy, never)).toBe(1)
    expect(chooseToken(Float32Array.of(-5, -Infinity, -4), [], greedy, never)).toBe(2)
  })

  it('repetition_penalty lowers tokens already seen, of either sign', () => {
    const choose = (logits: number[], seen: number[], repetition_penalty: number): number =>
      chooseToken(Float32Array.from(logits), seen, { ...plain, do_sample: false, repetition_penalty }, never)
    expect(choose([4, 3], [0], 1)).toBe(0)
    expect(choose([4, 3], [0], 1.5)).toBe(1)
    expect(choose([-1, -1.2], [0], 1.5)).toBe(1)
    // However often it was seen.
    expect(choose([4, 2.5], [0, 0, 0], 1.5)).toBe(0)
    expect(choose([4, 5], [0, 1], 0.5)).toBe(1)
  })
})

describe('sampling', () => {
  it('follows the softmax of the logits', () => {
    expectShares(shares(logs(1, 2, 5, 2), {}), [0.1, 0.2, 0.5, 0.2])
    expectShares(shares([1000, 1000, -1000], {}), [0.5, 0.5, 0])
  })

  it('temperature sharpens below 1 and flattens above', () => {
    expectShares(shares(logs(1, 3), { temperature: 0.5 }), [1 / 10, 9 / 10])
    expectShares(shares(logs(1, 9), { temperature: 2 }), [1 / 4, 3 / 4])
  })

  it('top_k keeps the k most probable', () => {
    expectShares(shares(logs(1, 2, 5, 2.5), { top_k: 2 }), [0, 0, 2 / 3, 1 / 3])
    expectShares(shares(logs(1, 2, 5), { top_k: 1 }), [0, 0, 1])
    expectShares(shares(logs(1, 1), { top_k: 50 }), [0.5, 0.5])
  })

  it('the k most probable of a large vocabulary are found, the first among equals first', () => {
    const uniform = uniformStream(5)
    const logits = Float32Array.from({ length: 5000 }, () => Math.round(uniform() * 2000) / 100)
    const order = Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]!)
    for (const k of [1, 2, 7, 50, 4999, 5000]) {
      expect(largest(logits, k), `${k}`).toEqual(order.slice(0, k))
      expect(leastOfLargest(logits, k)).toBe(logits[order[k - 1]!])
    }
  })

  it('top_p keeps the fewest that reach p, the one that crosses it among them', () => {
    expectShares(shares(logs(5, 3, 1.5, 0.5), { top_p: 0.7 }), [5 / 8, 3 / 8, 0, 0])
    expectShares(shares(logs(5, 3, 1.5, 0.5), { top_p: 0.9 }), [5 / 9.5, 3 / 9.5, 1.5 / 9.5, 0])
    expectShares(shares(logs(5, 3, 2), { top_p: 0.01 }), [1, 0, 0])
  })

  it('applies penalty, temperature, top_k and top_p in this order', () => {
    // Token 0 falls from 4 to 2 and out of the best two; of those, token 1 alone reaches a half (0.61).
    const found = shares([4, 3, 2.1, 0], { repetition_penalty: 2, temperature: 2, top_k: 2, top_p: 0.5 }, [0])
    expectShares(found, [0, 1, 0, 0])
  })

  it('the last token takes what rounding leaves', () => {
    const choose = (at: number): number => chooseToken(Float32Array.of(0, 0, -Infinity), [], plain, () => at)
    expect([choose(0), choose(0.4999), choose(0.5), choose(1 - 2 ** -32)]).toEqual([0, 0, 1, 1])
  })

  it('several draws are different tokens, each by the probabilities of those left', () => {
    const uniform = uniformStream(3)
    const seconds = [0, 0, 0]
    for (let i = 0; i < 4000; i++) {
      const [first, second] = draw(Float32Array.from(logs(1, 1, 2)), 2, uniform)
      expect(second).not.toBe(first)
      seconds[second!]!++
    }
    // P(second = 2) = 2 * 1/4 * 2/3; the other two are alike.
    expectShares(
      seconds.map((n) => n / 4000),
      [1 / 3, 1 / 3, 1 / 3],
    )
  })

  it('scores that allow no draw are refused', () => {
    expect(() => draw(Float32Array.of(-Infinity, -Infinity), 1, never)).toThrow(
      '[generate] the rules leave 0 tokens; 1 have to be drawn',
    )
    expect(() => draw(Float32Array.of(0, NaN), 1, never)).toThrow('a score is NaN; remove_invalid_values')
  })
})
