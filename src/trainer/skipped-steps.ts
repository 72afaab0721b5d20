import { logger } from '../logging'
import type { TrainRun } from './loop'
import type { LogRow } from './state'

/** The log row of the first skipped step, with its loss and gradient norm. Also logs a warning. */
export function skippedRow({ args, state, progress }: TrainRun): LogRow {
  const loss = progress.lastLoss!
  const { grad_norm, learning_rate } = progress.last as { grad_norm: number; learning_rate: number }
  const limit = args.max_nonfinite_steps
  const next = limit > 0 ? `; ${limit} in a row end the run` : ''
  logger.warning(
    `step ${state.global_step}: loss ${loss}, grad_norm ${grad_norm}, learning_rate ${learning_rate}: not finite, the update is skipped${next}`,
  )
  return { loss, grad_norm, learning_rate, skipped_steps: progress.skipped }
}

/** The error after too many skipped steps in a row. */
export function tooManySkipped({ args, state, progress }: TrainRun): Error {
  const last = state.global_step - progress.skippedInRow
  const { grad_norm, learning_rate } = progress.last as { grad_norm: number; learning_rate: number }
  return new Error(
    `[SFTTrainer.train] ${progress.skippedInRow} steps in a row had a loss or gradient that is not finite ` +
      `(step ${state.global_step}: loss ${progress.lastLoss}, grad_norm ${grad_norm}, learning_rate ${learning_rate}); their updates were skipped, ` +
      `the adapter is as it was after step ${last}. Try a lower learning_rate, more warmup_steps or a lower max_grad_norm, and float32 ` +
      `or bfloat16 where the model computes in float16; look for NaN in the model's weights. max_nonfinite_steps (${args.max_nonfinite_steps}) sets the limit, 0: none`,
  )
}
