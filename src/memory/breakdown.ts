import { isDeepStrictEqual } from 'node:util'
import type { Retention, MemoryPlan } from '../models/memory-plan'
import { savedKinds, type SavedKind } from './costs'
import type { Item } from './dry-run'
import type { PlannedRun } from './run-planner'
import type { PlannedStep } from './planned-step'
import type { Planner } from './planner'

const names: Readonly<Record<SavedKind, string>> = {
  x: 'layer inputs',
  qkv: 'q, k, v',
  attention: 'attention outputs',
  attnResidual: 'residuals after attention',
  mlp: 'gate and up',
}

/**
 * The items that the peaks consist of: what is in memory for the whole run, what the layers keep for backward,
 * and the rest, which is temporary.
 */
export function breakdownOf(planner: Planner, { plan, peaks, costs, step }: PlannedStep): Item[] {
  const resident = planner.resident.map((item) =>
    item.name === 'embedding' ? { ...item, place: plan.embedding ?? item.place } : item,
  )
  const kept = savedKinds.flatMap((kind) =>
    (['keep', 'offload'] as const).map((fate): Item => {
      const layers = plan.layers.filter((layer) => layer[kind] === fate).length
      const place = fate === 'offload' ? 'host' : 'device'
      return {
        name: `${names[kind]}, ${layers} ${layers === 1 ? 'layer' : 'layers'}`,
        bytes: layers * costs.layer[kind].bytes,
        place,
      }
    }),
  )
  const items = [...resident.filter((item) => item.name !== 'gradients'), ...kept]
  // With one micro batch per update, gradients appear while activations are freed: they add no more than the
  // rest of the peak.
  const gradients = planner.resident.find((item) => item.name === 'gradients')?.bytes ?? 0
  const sum = items.reduce((n, item) => n + (item.place === 'device' ? item.bytes : 0), 0)
  const left = Math.max(0, peaks.device - sum)
  const there = step.gradientAccumulation > 1 ? gradients : Math.min(gradients, left)
  return [
    ...items,
    { name: 'gradients', bytes: there, place: 'device' as const },
    {
      name: 'working set of a layer or the loss',
      bytes: Math.max(0, left - there),
      place: 'device' as const,
    },
  ].filter((item) => item.bytes > 0)
}

/** One line per kind of tensor, such as "q, k, v: kept in layers 12-31, recomputed in layers 0-11". */
export function fatesOf({ plan }: PlannedStep): string[] {
  const words: Readonly<Record<Retention, string>> = {
    keep: 'kept',
    offload: 'on the host',
    recompute: 'recomputed',
  }
  return savedKinds.map((kind) => {
    const parts = (['keep', 'offload', 'recompute'] as const).flatMap((fate) => {
      const at = plan.layers.flatMap((layer, i) => (layer[kind] === fate ? [i] : []))
      if (at.length === 0) return []
      return [at.length === plan.layers.length ? words[fate] : `${words[fate]} in layers ${ranges(at)}`]
    })
    return `${names[kind]}: ${parts.join(', ')}`
  })
}

/**
 * One line about the plans of smaller batches, where they differ from the largest batch's: "up to 2048 tokens
 * gate and up (20 layers)".
 */
export function smallerBatches({ classes, largest }: PlannedRun): string[] {
  const again = ({ layers }: MemoryPlan): string => {
    const parts = savedKinds.flatMap((kind) => {
      const n = layers.filter((layer) => layer[kind] === 'recompute').length
      return n === 0 ? [] : [names[kind] + (n === layers.length ? '' : ` (${n} layers)`)]
    })
    return parts.join(', ') || 'nothing'
  }
  const differing = classes.filter(({ planned }) => !isDeepStrictEqual(planned.plan, largest.plan))
  if (differing.length === 0) return []
  const parts = differing.map(({ size, planned }) => `up to ${size.tokens} tokens ${again(planned.plan)}`)
  return [`recomputed in smaller batches: ${parts.join('; ')}`]
}

function ranges(numbers: readonly number[]): string {
  const parts: [number, number][] = []
  for (const n of numbers) {
    const last = parts.at(-1)
    if (last && n === last[1] + 1) last[1] = n
    else parts.push([n, n])
  }
  return parts.map(([a, b]) => (a === b ? `${a}` : `${a}-${b}`)).join(', ')
}
