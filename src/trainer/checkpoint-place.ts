import type { RunState } from './checkpoint'
import type { SavedTrainerState } from './checkpoint-schema'

type Fail = (key: string, got: unknown, expected: string) => never

/** @throws Error naming file and key when numbers of the two files contradict each other. */
export function checkRunPlace(path: string, run: RunState, state: SavedTrainerState): void {
  const { progress, batches_per_epoch: batches, settings } = run
  const { seen, skipped, skippedInRow, metrics } = progress
  const accumulation = Number(settings.args['gradient_accumulation_steps'])
  const fail: Fail = (key, got, expected) => {
    throw new Error(`${path}: ${key}: got ${String(got)}; expected ${expected}`)
  }
  const expect = (key: string, got: number, wanted: number): void => {
    if (got !== wanted) fail(key, got, `${wanted}, by its other figures and trainer_state.json`)
  }
  if (!Number.isInteger(accumulation) || accumulation < 1)
    fail('settings.args.gradient_accumulation_steps', accumulation, 'a whole number >= 1')
  if (seen > batches) fail('progress.seen', seen, `at most ${batches}, the batches of an epoch`)
  if (settings.data.stream) checkStreamPlace(run, state, accumulation, fail)
  else checkTablePlace(run, state, accumulation, fail)
  if (skipped > state.global_step) fail('progress.skipped', skipped, `at most ${state.global_step}`)
  if (skippedInRow > skipped) fail('progress.skippedInRow', skippedInRow, `at most ${skipped}`)
  expect('optimizer_steps', run.optimizer_steps, state.global_step - skipped)
  if (metrics.steps > state.global_step)
    fail('progress.metrics.steps', metrics.steps, `at most ${state.global_step}`)
  if (metrics.correct > metrics.targets)
    fail('progress.metrics.correct', metrics.correct, `at most ${metrics.targets}`)
  const order = progress.due.map((due) => ['skip', 'log', 'evaluate', 'save'].indexOf(due))
  if (order.some((place, i) => i > 0 && place <= order[i - 1]!))
    fail('progress.due', progress.due.join(), "a part of 'skip', 'log', 'evaluate', 'save' in this order")
}

/** Of a table all epochs are alike: its micro batches tell where the run stands. */
function checkTablePlace(
  { progress: { epoch, seen, microstep }, batches_per_epoch: batches }: RunState,
  state: SavedTrainerState,
  accumulation: number,
  fail: Fail,
): void {
  const expect = (key: string, got: number, wanted: number): void => {
    if (got !== wanted) fail(key, got, `${wanted}, by its other figures and trainer_state.json`)
  }
  const done = Math.floor(microstep / batches)
  const rest = microstep % batches
  const steps = done * Math.ceil(batches / accumulation) + Math.ceil(rest / accumulation)
  if (steps !== state.global_step)
    fail('progress.microstep', microstep, `the micro batches of ${state.global_step} steps (global_step)`)
  // If a callback or max_steps ended the run within an epoch, that epoch is closed.
  if (seen > 0 || rest === 0) expect('progress.epoch', epoch * batches + seen, microstep)
  else expect('progress.epoch', epoch, done + 1)
  const position = microstep / batches
  if (Math.abs(state.epoch - position) > 1e-6 * Math.max(1, position))
    fail('progress.epoch', position, `the ${state.epoch} of trainer_state.json (epoch)`)
}

/** How long a pass over a stream is, nobody knows: its figures bound each other. */
function checkStreamPlace(
  { progress: { epoch, seen, microstep, place }, batches_per_epoch: batches }: RunState,
  { global_step, epoch: told }: SavedTrainerState,
  accumulation: number,
  fail: Fail,
): void {
  if (microstep < Math.max(global_step, seen) || microstep > global_step * accumulation)
    fail('progress.microstep', microstep, `the micro batches of ${global_step} steps (global_step)`)
  if (seen > 0 !== (place !== undefined))
    fail('progress.place', JSON.stringify(place), `a place for the ${seen} batches of this pass (seen)`)
  const position = epoch + seen / batches
  // Where a pass has ended, the last step was in it.
  if (seen > 0 ? Math.abs(told - position) > 1e-6 * Math.max(1, position) : told > epoch)
    fail('progress.epoch', position, `the ${told} of trainer_state.json (epoch)`)
}
