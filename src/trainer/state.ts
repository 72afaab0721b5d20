/** A log row: `step`, `epoch` and measured figures. */
export type LogRow = Record<string, number>

/** The state of a run; its JSON form is transformers' trainer_state.json. */
export interface TrainerState {
  epoch: number
  global_step: number
  max_steps: number
  num_train_epochs: number
  logging_steps: number
  save_steps: number
  train_batch_size: number
  /** Tokens trained on so far, without padding. */
  num_input_tokens_seen: number
  log_history: LogRow[]
  /** The best value of `metric_for_best_model` so far, its step, and the folder of its checkpoint. */
  best_metric: number | null
  best_global_step: number | null
  best_model_checkpoint: string | null
  is_local_process_zero: boolean
  is_world_process_zero: boolean
}

/** The result of `train()`, like transformers' TrainOutput. */
export interface TrainOutput {
  global_step: number
  training_loss: number
  /** train_runtime in seconds, train_samples_per_second, train_steps_per_second, train_loss, epoch. */
  metrics: LogRow
  /** true: a signal or a callback ended the run before its last step. */
  stopped: boolean
}

export function newState(): TrainerState {
  return {
    epoch: 0,
    global_step: 0,
    max_steps: 0,
    num_train_epochs: 0,
    logging_steps: 0,
    save_steps: 0,
    train_batch_size: 0,
    num_input_tokens_seen: 0,
    log_history: [],
    best_metric: null,
    best_global_step: null,
    best_model_checkpoint: null,
    is_local_process_zero: true,
    is_world_process_zero: true,
  }
}
