import type { TrainingArguments } from './arguments'
import type { Due, RunProgress } from './progress'
import type { TrainerState } from './state'

interface RunSoFar {
  args: TrainingArguments
  state: TrainerState
  progress: RunProgress
}

/** What the options say is to do after a step, in order. */
export function dueAfterStep({ args, state, progress }: RunSoFar): Due[] {
  const { global_step, max_steps } = state
  const isLast = global_step >= max_steps
  const reached = (event: 'logging' | 'eval' | 'save'): boolean => {
    const interval = args.get_interval(event, max_steps)
    return interval > 0 && global_step % interval === 0
  }
  const due: Due[] = []
  if (progress.skippedInRow > 0) due.push('skip')
  if (reached('logging') || (args.logging_first_step && global_step === 1)) due.push('log')
  const evaluates = reached('eval') || (isLast && args.eval_strategy === 'steps')
  if (evaluates && global_step >= args.eval_delay) due.push('evaluate')
  if (reached('save') || (isLast && args.save_strategy === 'steps')) due.push('save')
  return due
}

/** The same after an epoch. */
export function dueAfterEpoch({ args, state, progress }: RunSoFar): Due[] {
  const due: Due[] = []
  if (args.logging_strategy === 'epoch' && progress.metrics.hasSteps) due.push('log')
  if (args.eval_strategy === 'epoch' && state.epoch >= args.eval_delay) due.push('evaluate')
  if (args.save_strategy === 'epoch') due.push('save')
  return due
}
