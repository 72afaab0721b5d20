import type { Due } from './progress'

/** Set by a callback to steer the loop; read after each step, and after each epoch. */
export interface TrainerControl {
  /** End the run at the next step boundary. */
  should_training_stop: boolean
  /** End the epoch at the next step boundary. */
  should_epoch_stop: boolean
  /** What is done after this step. Before the callbacks are asked, they are as the options say. */
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

/** Sets the flags by what is due. */
export function flagsOf(due: readonly Due[], control: TrainerControl): void {
  for (const [what, flag] of flags) control[flag] = due.includes(what)
}

/** What is due by the flags, in the order in which it is done; the flags are down then. */
export function dueBy(control: TrainerControl, due: readonly Due[]): Due[] {
  const wanted = flags.filter(([, flag]) => control[flag]).map(([what]) => what)
  flagsOf([], control)
  return [...due.filter((what) => what === 'skip'), ...wanted]
}
