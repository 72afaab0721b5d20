import type { MemoryStats } from '../tensor/device'
import type { TrainRun } from './loop'
import type { SFTTrainer } from './sft-trainer'

/** Where a trainer stands at one moment. */
export interface TrainerStatus {
  /** Whether a `train()` is running now. */
  training: boolean
  global_step: number
  max_steps: number
  epoch: number
  /** Of the last step; undefined before the first. */
  loss: number | undefined
  learning_rate: number | undefined
  grad_norm: number | undefined
  /** Since the last row of the log; right after a row, in it. */
  tokens_per_second: number | undefined
  /** Bytes of the model's device: now, at most, kept. */
  device_memory: MemoryStats
  /** The model's device: `cpu`, `cuda:0`. */
  device: string
  /** Bytes of main memory that the process holds. */
  host_memory: number
}

/** What `trainer.status()` says; reads only, waits for nothing. */
export function trainerStatus(
  { state, model }: SFTTrainer,
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
