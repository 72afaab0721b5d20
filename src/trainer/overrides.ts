/** Methods of transformers' Trainer that subclasses override there, and what to use here. */
const overrides: Readonly<Record<string, string>> = {
  compute_loss: 'give the loss as objective',
  training_step: 'give the loss as objective, or write the loop with train_step',
  prediction_step: 'give the loss as objective',
  create_optimizer: 'choose optim of SFTConfig, or write the loop with train_step',
  create_scheduler: 'choose lr_scheduler_type of SFTConfig',
  create_optimizer_and_scheduler: 'choose optim and lr_scheduler_type of SFTConfig',
  get_train_dataloader: 'choose train_sampling_strategy of SFTConfig, or write the loop with train_step',
  get_eval_dataloader: 'give eval_dataset',
  log: 'give a callback with on_log',
}

/**
 * @throws TypeError when a subclass overrides a method that nothing calls. Fields of a subclass do not exist
 * before its constructor runs.
 */
export function refuseOverrides(trainer: object, base: object): void {
  for (const [name, instead] of Object.entries(overrides)) {
    const own = (trainer as Record<string, unknown>)[name]
    if (own !== undefined && own !== (base as Record<string, unknown>)[name])
      throw new TypeError(`[SFTTrainer] ${name} is overridden, but nothing calls it: ${instead}`)
  }
}
