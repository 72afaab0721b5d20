import { z } from 'zod'
import { checkRunPlace } from './checkpoint-place'
import type { RunState } from './checkpoint'
import type { TrainerState } from './state'

/** JSON text; numbers that are not finite are written in a form that every JSON parser accepts. */
export function toJson(value: unknown): string {
  return JSON.stringify(
    value,
    (_, v: unknown) => (typeof v === 'number' && !Number.isFinite(v) ? String(v) : v),
    2,
  )
}

const figure = z.union([
  z.number(),
  z.enum(['NaN', 'Infinity', '-Infinity']).transform((name) => Number(name)),
])
const count = z.int().min(0)
const duration = z.number().min(0)
const row = z.record(z.string(), figure)
const values = z.record(z.string(), z.unknown())

const trainerState = z.object({
  epoch: duration,
  global_step: count,
  max_steps: z.int().min(1),
  num_input_tokens_seen: count,
  log_history: z.array(row),
  // Absent from checkpoints of earlier versions.
  best_metric: figure.nullable().default(null),
  best_global_step: count.nullable().default(null),
  best_model_checkpoint: z.string().nullable().default(null),
})

const runState = z.object({
  run_id: z.string().min(1),
  saved_at: z.iso.datetime(),
  loss_is_finite: z.boolean(),
  settings: z.object({
    args: values,
    adapter: values,
    model: values,
    loss: z.object({
      loss_type: z.string().optional(),
      label_smoothing_factor: z.number().optional(),
      objective: z.string().optional(),
      token_weights: z.string().optional(),
    }),
    data: z.object({ rows: z.int().min(1), fingerprint: z.string(), stream: z.literal(true).optional() }),
    max_steps: z.int().min(1),
  }),
  batches_per_epoch: z.int().min(1),
  optimizer_steps: count,
  files: z.record(z.string(), z.object({ bytes: count, crc32: count })),
  progress: z.object({
    epoch: count,
    seen: count,
    place: z.object({ from: count, taken: count, fingerprint: z.string() }).optional(),
    microstep: count,
    skipped: count,
    skippedInRow: count,
    totalLoss: z.number(),
    lastLoss: figure.optional(),
    last: row,
    due: z.array(z.enum(['skip', 'log', 'evaluate', 'save'])),
    metrics: z.object({
      loss: figure,
      steps: count,
      lastNonFinite: figure.optional(),
      entropy: figure,
      correct: count,
      targets: count,
      tokens: count,
      // Absent from checkpoints of earlier versions.
      figures: z.record(z.string(), z.object({ sum: figure, batches: z.int().min(1) })).default({}),
      seconds: duration,
    }),
    seconds: duration,
  }),
})

export type SavedTrainerState = Pick<
  TrainerState,
  | 'epoch'
  | 'global_step'
  | 'max_steps'
  | 'num_input_tokens_seen'
  | 'log_history'
  | 'best_metric'
  | 'best_global_step'
  | 'best_model_checkpoint'
>

/** @throws Error naming file and key of an invalid value. */
export function parseTrainerState(path: string, value: unknown): SavedTrainerState {
  const state = checked(path, trainerState, value)
  state.log_history.forEach(({ step }, i) => {
    if (step === undefined || !(step >= 0 && step <= state.global_step && Number.isInteger(step)))
      throw new Error(
        `${path}: log_history[${i}].step: got ${step}; expected a step from 0 to ${state.global_step}`,
      )
  })
  return state
}

/** @throws Error naming file and key of an invalid value, or of one that contradicts trainer_state.json. */
export function parseRunState(path: string, value: unknown, state: SavedTrainerState): RunState {
  const run = checked(path, runState, value)
  checkRunPlace(path, run, state)
  return run
}

function checked<T>(path: string, schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]!
  const found = issue.path.reduce<unknown>((v, key) => (v as Record<PropertyKey, unknown>)?.[key], value)
  const key = issue.path.length > 0 ? `${issue.path.map(String).join('.')}: ` : ''
  const got = found === undefined ? 'it is missing' : `got ${JSON.stringify(found).slice(0, 60)}`
  throw new Error(`${path}: ${key}${got}; ${issue.message}`)
}
