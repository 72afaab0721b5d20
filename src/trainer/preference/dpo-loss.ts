import type { HostObjective } from '../../models/objective'
import { meanOf, perSequence, logSigmoid, sigmoid } from './sequence-loss'
import { sumsOf } from './reference'

/** log p minus the reference's log p, summed over an answer's tokens, and the number of those tokens. */
export interface PairScores {
  chosen: number
  rejected: number
  chosenTokens: number
  rejectedTokens: number
}

interface LossValue {
  loss: number
  dchosen: number
  drejected: number
}

export interface PairLossSettings {
  beta: number
  label_smoothing: number
}

type PairLoss = (scores: PairScores, settings: PairLossSettings) => LossValue

/** A loss that is a function of z = beta * (chosen - rejected). */
const ofDifference =
  (f: (z: number, smoothing: number) => { loss: number; dz: number }): PairLoss =>
  ({ chosen, rejected }, { beta, label_smoothing }) => {
    const { loss, dz } = f(beta * (chosen - rejected), label_smoothing)
    return { loss, dchosen: beta * dz, drejected: -beta * dz }
  }

/** A loss that is a function of the difference of means over tokens. */
const ofMeans =
  (f: (difference: number, beta: number) => { loss: number; d: number }): PairLoss =>
  ({ chosen, rejected, chosenTokens, rejectedTokens }, { beta }) => {
    const [c, r] = [Math.max(1, chosenTokens), Math.max(1, rejectedTokens)]
    const { loss, d } = f(chosen / c - rejected / r, beta)
    return { loss, dchosen: d / c, drejected: -d / r }
  }

/** d sigmoid(z) / dz */
const slope = (z: number): number => sigmoid(z) * sigmoid(-z)

/** TRL's losses of one pair, by their names in `loss_type`. Derivatives are with respect to the two scores. */
export const pairLosses: Readonly<Record<PairLossName, PairLoss>> = {
  // -log sigmoid(z) (arXiv 2305.18290)
  sigmoid: ofDifference((z) => ({ loss: -logSigmoid(z), dz: -sigmoid(-z) })),
  // max(0, 1 - z) (arXiv 2305.10425)
  hinge: ofDifference((z) => ({ loss: Math.max(0, 1 - z), dz: z < 1 ? -1 : 0 })),
  // (difference of means - 1 / (2 beta))^2 (arXiv 2310.12036)
  ipo: ofMeans((difference, beta) => {
    const off = difference - 1 / (2 * beta)
    return { loss: off * off, d: 2 * off }
  }),
  // ((1 - e) * -log sigmoid(z) + e * log sigmoid(-z)) / (1 - 2e) (arXiv 2403.00409)
  robust: ofDifference((z, e) => ({
    loss: (-(1 - e) * logSigmoid(z) + e * logSigmoid(-z)) / (1 - 2 * e),
    dz: (-(1 - e) * sigmoid(-z) - e * sigmoid(z)) / (1 - 2 * e),
  })),
  // -log sigmoid(beta * difference of means)
  sigmoid_norm: ofMeans((difference, beta) => ({
    loss: -logSigmoid(beta * difference),
    d: -beta * sigmoid(-beta * difference),
  })),
  // 1 - sigmoid(beta * chosen) + sigmoid(beta * rejected) (arXiv 2408.06266)
  apo_zero: ({ chosen, rejected }, { beta }) => ({
    loss: sigmoid(-beta * chosen) + sigmoid(beta * rejected),
    dchosen: -beta * slope(beta * chosen),
    drejected: beta * slope(beta * rejected),
  }),
  // sigmoid(beta * chosen) + 1 - sigmoid(z) (arXiv 2408.06266)
  apo_down: ({ chosen, rejected }, { beta }) => {
    const z = beta * (chosen - rejected)
    return {
      loss: sigmoid(beta * chosen) + sigmoid(-z),
      dchosen: beta * (slope(beta * chosen) - slope(z)),
      drejected: beta * slope(z),
    }
  },
}

export type PairLossName = 'sigmoid' | 'hinge' | 'ipo' | 'robust' | 'sigmoid_norm' | 'apo_zero' | 'apo_down'

/** `sft`: -log p of the chosen answers, the mean over the batch's tokens. */
export type DPOLossName = PairLossName | 'sft'

export interface DPOLossSettings extends PairLossSettings {
  loss_type: readonly DPOLossName[]
  /** One per loss type; null: all 1. */
  loss_weights: readonly number[] | null
}

/**
 * The loss of Direct Preference Optimization as in TRL: a weighted sum of losses, each a mean over the batch's
 * pairs. The batch's sequences are chosen, rejected, chosen, ...; its columns `ref_logps` and `answer_tokens`
 * have one value per sequence.
 */
export function dpoObjective(settings: DPOLossSettings): HostObjective {
  const { loss_type, loss_weights, beta } = settings
  const losses = loss_type.map((name, i) => ({ name, weight: loss_weights?.[i] ?? 1 }))
  return {
    entropies: true,
    loss: (logps, { cu_seqlens, columns, num_batches, entropies }) => {
      const sums = sumsOf(logps, cu_seqlens)
      const ratios = sums.map((sum, s) => sum - Number(columns['ref_logps']![s]))
      const tokens = columns['answer_tokens'] as readonly number[]
      const pairs = sums.length / 2
      const targets = (s: number): number => cu_seqlens[s + 1]! - cu_seqlens[s]!
      const chosen = Array.from({ length: pairs }, (_, i) => 2 * i)
      const chosenTargets = chosen.reduce((n, s) => n + targets(s), 0)
      const slopes = Array<number>(sums.length).fill(0)
      let loss = 0
      for (const { name, weight } of losses) {
        if (name === 'sft') {
          if (chosenTargets === 0) continue
          loss -= (weight * chosen.reduce((sum, s) => sum + sums[s]!, 0)) / chosenTargets
          for (const s of chosen) slopes[s]! -= weight / chosenTargets
          continue
        }
        for (const s of chosen) {
          const scores = {
            ...{ chosen: ratios[s]!, rejected: ratios[s + 1]! },
            ...{ chosenTokens: tokens[s]!, rejectedTokens: tokens[s + 1]! },
          }
          const value = pairLosses[name](scores, settings)
          loss += (weight * value.loss) / pairs
          slopes[s]! += (weight * value.dchosen) / pairs
          slopes[s + 1]! += (weight * value.drejected) / pairs
        }
      }
      const [rewards, rejected] = [
        chosen.map((s) => beta * ratios[s]!),
        chosen.map((s) => beta * ratios[s + 1]!),
      ]
      return {
        loss: loss / num_batches,
        dlogps: perSequence(slopes, cu_seqlens, 1 / num_batches),
        metrics: {
          entropy: meanOf(entropies!),
          'rewards/chosen': meanOf(rewards),
          'rewards/rejected': meanOf(rejected),
          'rewards/accuracies': meanOf(rewards.map((reward, i) => Number(reward > rejected[i]!))),
          'rewards/margins': meanOf(rewards.map((reward, i) => reward - rejected[i]!)),
          'logps/chosen': meanOf(chosen.map((s) => sums[s]!)),
          'logps/rejected': meanOf(chosen.map((s) => sums[s + 1]!)),
        },
      }
    },
  }
}
