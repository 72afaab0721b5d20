import { setImmediate } from 'node:timers/promises'
import type { CausalLM } from '../models/causal-lm'
import { decodeStep } from '../models/decode'
import { KVCache } from '../models/kv-cache'
import { BeamGroup } from './beam-group'
import type { ParsedGenerateOptions } from './options'
import type { GenerateOutput } from './output'
import type { SequenceContext } from './sequence'

/**
 * Beam search (transformers' `_beam_search`): the beams of all prompts advance together; finished prompts leave
 * the batch.
 */
export async function beamSearch(
  model: CausalLM,
  contexts: readonly SequenceContext[],
  o: ParsedGenerateOptions,
): Promise<GenerateOutput> {
  const beams = o.num_beams
  const { vocab_size: vocab } = model.config
  const usesCache = o.use_cache ?? model.config.use_cache
  const groups = contexts.map((context) => new BeamGroup(o, context, vocab))
  const capacity = Math.max(...contexts.map(({ limit }) => limit))
  const cache = new KVCache(model, capacity, beams * groups.length)
  const scores: (Float32Array | null)[][] = []
  const logits: (Float32Array | null)[][] = []
  try {
    while (groups.some((group) => !group.isDone)) {
      o.signal?.throwIfAborted()
      const active = groups.map((group, g) => ({ group, g })).filter(({ group }) => !group.isDone)
      const steps = active.flatMap(({ group, g }) =>
        group.beams.map(({ ids, row: own }) => {
          const row = g * beams + own
          if (!usesCache) cache.crop(row, 0)
          cache.cropOutdated(row, ids.length)
          return { row, ids: ids.slice(cache.lengths[row]) }
        }),
      )
      const values = await decodeStep(model, steps, cache)
      let at = 0
      const stepLogits = groups.map(() => [] as Float32Array[])
      for (const { group, g } of active)
        stepLogits[g] = group.beams.map(() => values.subarray(at * vocab, ++at * vocab))
      if (o.output_logits) logits.push(stepLogits.flatMap((rows) => perBeam(rows, beams)))
      const stepScores: (Float32Array | null)[] = []
      for (const [g, group] of groups.entries()) {
        if (group.isDone) stepScores.push(...perBeam([], beams))
        else {
          const { scores: own, copies } = await group.step(stepLogits[g]!)
          stepScores.push(...perBeam(own, beams))
          for (const [from, to] of copies) cache.copyRow(g * beams + from, g * beams + to)
        }
      }
      if (o.output_scores) scores.push(stepScores)
      await setImmediate()
    }
  } finally {
    cache.dispose()
  }
  const found = groups.flatMap((group, g) =>
    group.best(o.num_return_sequences).map((answer) => ({
      ...answer,
      beamIndices: answer.beamIndices.map((beam) => beam + g * beams),
    })),
  )
  return {
    sequences: found.map(({ ids }) => ids),
    scores: o.output_scores ? scores : undefined,
    logits: o.output_logits ? logits : undefined,
    sequences_scores: o.output_scores ? found.map(({ score }) => score) : undefined,
    beam_indices: found.map(({ beamIndices }) => beamIndices),
    past_key_values: null,
  }
}

/** Copies for each beam: before the first step all beams are the prompt, which is computed once. */
function perBeam(rows: readonly Float32Array[], beams: number): (Float32Array | null)[] {
  return Array.from({ length: beams }, (_, i) => (rows[i] ?? rows[0])?.slice() ?? null)
}
