import type { HostObjective } from '../../models/objective'
import { logSigmoid, meanOf, sigmoid } from './sequence-loss'

/** log(1 - e^x) for x < 0, without cancellation on either side of -ln 2. */
const log1mexp = (x: number): number => (x < -Math.LN2 ? Math.log1p(-Math.exp(x)) : Math.log(-Math.expm1(x)))

/**
 * Odds ratio preference optimization as in TRL (arXiv 2403.07691): -log p of the chosen sequences including
 * prompts, as a mean over their tokens, minus beta times the mean over pairs of log sigmoid(log odds ratio).
 * The log-probability of an answer is the mean over its tokens. The batch's sequences are chosen, rejected,
 * chosen, ...; the last `answer_tokens` tokens of a sequence are its answer.
 */
export function orpoObjective({ beta }: { beta: number }): HostObjective {
  return {
    loss: (logps, { cu_seqlens, columns, num_batches }) => {
      const tokens = columns['answer_tokens'] as readonly number[]
      const pairs = tokens.length / 2
      const dlogps = new Float32Array(logps.length)
      const chosen = Array.from({ length: pairs }, (_, i) => 2 * i)
      const targets = (s: number): number => cu_seqlens[s + 1]! - cu_seqlens[s]!
      const learned = chosen.reduce((n, s) => n + targets(s), 0)
      let nll = 0
      for (const s of chosen)
        for (let t = cu_seqlens[s]!; t < cu_seqlens[s + 1]!; t++) {
          nll -= logps[t]! / learned
          dlogps[t]! -= 1 / learned / num_batches
        }
      // The first token of a sequence is no target, even if the answer begins with it.
      const answers = tokens.map((n, s) => {
        const end = cu_seqlens[s + 1]!
        const begin = end - Math.min(n, targets(s))
        return { begin, end, logp: meanOf(logps.subarray(begin, end)) }
      })
      const odds = chosen.map((s) => {
        const [c, r] = [answers[s]!.logp, answers[s + 1]!.logp]
        return c - r - (log1mexp(c) - log1mexp(r))
      })
      chosen.forEach((s, pair) => {
        // d log odds / d logp = 1 / (1 - p), negative for the rejected answer.
        const slope = (-beta * sigmoid(-odds[pair]!)) / pairs / num_batches
        for (const [of, sign] of [
          [s, 1],
          [s + 1, -1],
        ] as const) {
          const { begin, end, logp } = answers[of]!
          const each = (sign * slope) / -Math.expm1(logp) / (end - begin)
          for (let t = begin; t < end; t++) dlogps[t]! += each
        }
      })
      const ratio = meanOf(odds.map(logSigmoid))
      const rewards = answers.map(({ logp }) => beta * logp)
      const of = (values: readonly number[], side: 0 | 1): number =>
        meanOf(chosen.map((s) => values[s + side]!))
      return {
        loss: (nll - beta * ratio) / num_batches,
        dlogps,
        metrics: {
          'rewards/chosen': of(rewards, 0),
          'rewards/rejected': of(rewards, 1),
          'rewards/accuracies': meanOf(chosen.map((s) => Number(rewards[s]! > rewards[s + 1]!))),
          'rewards/margins': meanOf(chosen.map((s) => rewards[s]! - rewards[s + 1]!)),
          'logps/chosen': of(rewards, 0) / beta,
          'logps/rejected': of(rewards, 1) / beta,
          nll_loss: nll,
          log_odds_ratio: ratio,
          log_odds_chosen: meanOf(odds),
        },
      }
    },
  }
}
