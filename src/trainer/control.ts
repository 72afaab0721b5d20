import type { Due } from './progress'

/** Flags with which a callback controls the loop; read after each step and each epoch. */
export interface TrainerControl {
  /** End the run after this step. */
  should_training_stop: boolean
  /** End the epoch after this step. */
  should_epoch_stop: boolean
  /** What to do after this step. Before callbacks are called, the options set these flags. */
  should_log: boolean
  should_evaluate: boolean
  should_save: boolean
}

export function newControl(): TrainerControl {
  return {
    should_training_stop: false,
    should_epoch_stop: false,
    should_log: false,
    should_evaluate: false,
    should_save: false,
  }
}

const flags = [
  ['log', 'should_log'],
  ['evaluate', 'should_evaluate'],
  ['save', 'should_save'],
] as const

/** Sets the flags of what is due. */
export function flagsOf(due: readonly Due[], control: TrainerControl): void {
  for (const [what, flag] of flags) control[flag] = due.includes(what)
}

/** What the flags request, in the order in which it is done. Clears the flags. */
export function dueBy(control: TrainerControl, due: readonly Due[]): Due[] {
  const wanted = flags.filter(([, flag]) => control[flag]).map(([what]) => what)
  flagsOf([], control)
  return [...due.filter((what) => what === 'skip'), ...wanted]
}
