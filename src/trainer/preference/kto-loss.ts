import type { HostObjective } from '../../models/objective'
import { sumsOf } from './reference'
import { meanOf, perSequence, sigmoid } from './sequence-loss'

export interface KTOLossSettings {
  loss_type: 'kto' | 'apo_zero_unpaired'
  beta: number
  desirable_weight: number
  undesirable_weight: number
}

/**
 * Kahneman-Tversky optimization as in TRL (arXiv 2402.01306): the mean over sequences of weight * (1 -
 * sigmoid(beta * (r - kl))) for label true, and weight * (1 - sigmoid(beta * (kl - r))) for label false. r is
 * log p minus the reference's log p. kl is the mean over the batch of the same difference for each prompt with
 * another row's answer, at least 0, and a constant for the gradient; for 'apo_zero_unpaired' it is 0. The
 * columns are `ref_logps`, `label` and, except for the latter, `kl_ratio`.
 */
export function ktoObjective(settings: KTOLossSettings): HostObjective {
  const { loss_type, beta, desirable_weight, undesirable_weight } = settings
  return {
    entropies: true,
    loss: (logps, { cu_seqlens, columns, num_batches, entropies }) => {
      const labels = columns['label'] as readonly boolean[]
      const sums = sumsOf(logps, cu_seqlens)
      const ratios = sums.map((sum, s) => sum - Number(columns['ref_logps']![s]))
      const kl = loss_type === 'kto' ? Math.max(0, meanOf(columns['kl_ratio'] as readonly number[])) : 0
      let loss = 0
      const slopes = ratios.map((ratio, s) => {
        const [sign, weight] = labels[s] ? [1, desirable_weight] : [-1, undesirable_weight]
        const z = sign * beta * (ratio - kl)
        loss += (weight * sigmoid(-z)) / ratios.length
        return (-sign * beta * weight * sigmoid(z) * sigmoid(-z)) / ratios.length
      })
      const metrics: Record<string, number> = { kl, entropy: meanOf(entropies!) }
      for (const [name, label] of [
        ['chosen', true],
        ['rejected', false],
      ] as const) {
        const those = [...sums.keys()].filter((s) => labels[s] === label)
        if (those.length === 0) continue
        metrics[`rewards/${name}`] = beta * meanOf(those.map((s) => ratios[s]!))
        metrics[`logps/${name}`] = meanOf(those.map((s) => sums[s]!))
      }
      const [chosen, rejected] = [metrics['rewards/chosen'], metrics['rewards/rejected']]
      if (chosen !== undefined && rejected !== undefined) metrics['rewards/margins'] = chosen - rejected
      return {
        loss: loss / num_batches,
        dlogps: perSequence(slopes, cu_seqlens, 1 / num_batches),
        metrics,
      }
    },
  }
}
