import { chunked, sampleOrder } from '../data/sampler'
import type { TrainingArguments } from './arguments'
import { newState, type TrainerState } from './state'

/** Which rows each batch of a run has, and the length of the run. */
export interface RunPlan {
  batchesPerEpoch: number
  /** The batches of an epoch, as indices of rows. */
  batchesOf(epoch: number): number[][]
  /** The state before the first step. */
  begin: TrainerState
}

/**
 * The plan for rows of these lengths, whose batches `ranks` processes share.
 * @throws Error when they make no batch.
 */
export function planRun(
  args: TrainingArguments,
  lengths: number[],
  owner = 'SFTTrainer',
  ranks = 1,
): RunPlan {
  const { per_device_train_batch_size: batchSize, dataloader_drop_last: dropLast } = args
  const batches = lengths.length / batchSize
  const batchesPerEpoch = dropLast ? Math.floor(batches) : Math.ceil(batches)
  if (batchesPerEpoch === 0) {
    throw new Error(
      `[${owner}] ${lengths.length} rows make no batch of ${batchSize} with dataloader_drop_last`,
    )
  }
  return {
    batchesPerEpoch,
    batchesOf: (epoch) => {
      const seed = (args.data_seed ?? args.seed) + epoch
      const order = sampleOrder(args.train_sampling_strategy, { lengths, batchSize, seed })
      return chunked(order, batchSize, dropLast)
    },
    begin: stateBefore(args, batchesPerEpoch, ranks),
  }
}

/**
 * The plan for a stream, whose length nobody knows: as in transformers an epoch counts as all the batches of the run, and passes follow
 * each other until max_steps are done.
 */
export function planStream(args: TrainingArguments, ranks = 1): Pick<RunPlan, 'begin' | 'batchesPerEpoch'> {
  const batchesPerEpoch = args.max_steps * args.gradient_accumulation_steps * ranks
  const begin = { ...stateBefore(args, batchesPerEpoch, ranks), num_train_epochs: Number.MAX_SAFE_INTEGER }
  return { begin, batchesPerEpoch }
}

function stateBefore(args: TrainingArguments, batchesPerEpoch: number, ranks: number): TrainerState {
  const stepsPerEpoch = Math.max(1, Math.ceil(batchesPerEpoch / (args.gradient_accumulation_steps * ranks)))
  const max_steps = args.max_steps > 0 ? args.max_steps : Math.ceil(args.num_train_epochs * stepsPerEpoch)
  return {
    ...newState(),
    max_steps,
    num_train_epochs: Math.ceil(max_steps / stepsPerEpoch),
    logging_steps: args.logging_steps,
    save_steps: args.save_steps,
    train_batch_size: args.per_device_train_batch_size,
  }
}
