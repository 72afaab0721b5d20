import type { TrainerStatus } from '../display/watch'
import type { TrainRun } from './loop'
import type { Trainer } from './trainer'

/** The result of `trainer.status()`. It only reads, and does not wait. */
export function trainerStatus(
  { state, model }: Trainer,
  run: TrainRun | undefined,
  training: boolean,
): TrainerStatus {
  const { device } = model.base_model
  return {
    training,
    global_step: state.global_step,
    max_steps: state.max_steps,
    epoch: state.epoch,
    loss: run?.progress.lastLoss,
    learning_rate: run?.progress.last['learning_rate'],
    grad_norm: run?.progress.last['grad_norm'],
    tokens_per_second: run?.progress.metrics.tokensPerSecond ?? run?.progress.speed,
    device_memory: device.memoryStats(),
    device: device.name,
    host_memory: process.memoryUsage.rss(),
  }
}
