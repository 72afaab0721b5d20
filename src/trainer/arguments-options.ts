import { z } from 'zod'

import { schedulerNames } from '../optim/schedules'
import { memory, memoryInput } from '../memory/wish'
import { type OptionSet, renamed, type Schema } from '../options/declaration'
import { count, countOrNull, flag, flagOrNull, oneOf, real, textOrNull } from '../options/schemas'
import { inertTrainingOptions } from './arguments-inert'
import { refusedTrainingOptions } from './arguments-refused'
import {
  groupByLength,
  interval,
  optimizer,
  ratioToSteps,
  report,
  reportInput,
  saveStrategy,
  strategy,
} from './arguments-schemas'
import type { TrainingOptions } from './options.generated'

const steps = (verb: string): string =>
  `Steps between two times of ${verb}; a number below 1 is a share of all steps.`

/** What TrainingArguments takes, with the defaults of transformers 5.18; each option is acted on or says why it needs not be. */
export const trainingOptionSet: OptionSet<TrainingOptions> = {
  owner: 'TrainingArguments',
  options: {
    output_dir: {
      schema: textOrNull,
      default: null,
      doc: "Folder for everything written; null: 'trainer_output'. ~ is the home folder.",
    },
    per_device_train_batch_size: {
      schema: count(1),
      default: 8,
      doc: 'Rows in a micro batch.',
      aliases: { per_gpu_train_batch_size: renamed },
    },
    per_device_eval_batch_size: {
      schema: count(1),
      default: 8,
      doc: 'Rows in a batch of an evaluation.',
      aliases: { per_gpu_eval_batch_size: renamed },
    },
    gradient_accumulation_steps: {
      schema: count(1),
      default: 1,
      doc: 'Micro batches in an update; the loss is the mean over all their tokens.',
    },
    ddp_backend: {
      schema: z.enum(['nccl', 'mpi']).nullable() as unknown as Schema<'nccl' | 'mpi' | null>,
      type: "'nccl' | 'mpi' | null",
      default: null,
      doc: "Engine between ranks: 'nccl' on GPUs, 'mpi' on CPUs; null: the one for the device. Another one is refused when training starts.",
    },
    ddp_timeout: {
      schema: count(1),
      default: 1800,
      doc: 'Seconds that a rank may keep the others waiting before all of them fail.',
    },
    num_train_epochs: { schema: real({ min: 0 }), default: 3, doc: 'Passes over the data, fractions too.' },
    max_steps: {
      schema: count(-1),
      default: -1,
      doc: 'Number of updates if above 0; num_train_epochs is then ignored.',
    },
    learning_rate: { schema: real({ min: 0 }), default: 5e-5, doc: 'Peak learning rate.' },
    weight_decay: {
      schema: real({ min: 0 }),
      default: 0,
      doc: 'Weight decay; norms and biases have none.',
    },
    adam_beta1: {
      schema: real({ min: 0, below: 1 }),
      default: 0.9,
      doc: "Decay of AdamW's first moment; for Lion, the weight of its moment in the step.",
    },
    adam_beta2: {
      schema: real({ min: 0, below: 1 }),
      default: 0.999,
      doc: "Decay of AdamW's second moment, or of Lion's only moment.",
    },
    adam_epsilon: {
      schema: real({ min: 0 }),
      default: 1e-8,
      doc: "Added to the denominator of AdamW's step.",
    },
    max_grad_norm: {
      schema: real({ min: 0 }),
      default: 1,
      doc: 'Gradients are scaled down to this norm, taken over all weights. 0: no clipping.',
    },
    max_nonfinite_steps: {
      schema: count(0),
      default: 5,
      doc: 'Ours: an update whose loss or gradient is not finite is skipped; after this number in a row the run stops. 0: never.',
    },
    label_smoothing_factor: {
      schema: real({ min: 0, max: 1 }),
      default: 0,
      doc: 'e in the loss of a token, (1 - e) * -log p + e * mean over the vocabulary of -log p.',
    },
    optim: {
      schema: optimizer,
      default: 'adamw_torch_fused',
      doc: 'Optimizer. 8bit: block-wise state of a quarter of the size; paged: state in page-locked host memory (on the CPU the same).',
    },
    optim_args: {
      schema: textOrNull,
      default: null,
      doc: "Settings of sgd as 'momentum=0.9, dampening=0, nesterov=true'; the others take none.",
    },
    lr_scheduler_type: {
      schema: oneOf(...schedulerNames),
      default: 'linear',
      doc: 'Schedule of the learning rate.',
    },
    lr_scheduler_kwargs: {
      schema: z.record(z.string(), z.unknown()).nullable().describe('an object or null'),
      default: null,
      doc: 'Further settings of the schedule, e.g. { num_cycles: 1.5 }.',
    },
    warmup_steps: {
      schema: real({ min: 0 }),
      default: 0,
      doc: 'Updates over which the rate rises from 0; a number below 1 is a share of all updates, rounded up.',
      aliases: { warmup_ratio: ratioToSteps },
    },
    bf16: { schema: flag, default: false, doc: 'Multiply in bfloat16, sum in float32.' },
    gradient_checkpointing: {
      schema: flag,
      default: false,
      aliases: { activation_checkpointing: renamed },
      doc: 'Recompute layers in the backward pass: less memory, more time.',
    },
    memory: {
      schema: memory,
      input: memoryInput,
      default: null,
      doc: "What to keep for the backward pass (ours): 'fast' everything; 'balanced' on the GPU or the host what fits; 'lean' the least; or the GPU bytes of all tensors, as 6.3GiB. null: as gradient_checkpointing says.",
    },
    logging_strategy: { schema: strategy, default: 'steps', doc: 'When to log.' },
    logging_steps: { schema: interval, default: 500, doc: steps('logging') },
    logging_first_step: { schema: flag, default: false, doc: 'Log step 1 too.' },
    logging_nan_inf_filter: {
      schema: flag,
      default: true,
      doc: 'Ignore steps whose loss is not finite in the logged mean.',
    },
    logging_dir: {
      schema: textOrNull,
      default: null,
      doc: 'Folder of the logs; null: environment TENSORBOARD_LOGGING_DIR, else a dated folder in output_dir/runs.',
    },
    report_to: {
      schema: report,
      input: reportInput,
      default: [],
      doc: "Where to log in addition to the screen: 'tensorboard', 'csv' (ours), 'mlflow' (the server that MLFLOW_TRACKING_URI names), 'all' (the first two) or 'none'.",
    },
    run_name: {
      schema: textOrNull,
      default: null,
      doc: "Label of the run, in the logged text 'args'; null: output_dir.",
    },
    disable_tqdm: {
      schema: flagOrNull,
      default: null,
      doc: 'Show no progress bars; null: follow logging.disable_progress_bar().',
    },
    eval_strategy: {
      schema: strategy,
      default: 'no',
      doc: 'When to evaluate.',
      aliases: { evaluation_strategy: renamed },
    },
    eval_steps: {
      schema: interval
        .nullable()
        .describe('a whole number of steps, or below 1 a share of all steps, or null'),
      default: null,
      doc: `${steps('evaluating')} null: logging_steps.`,
    },
    eval_delay: {
      schema: real({ min: 0 }),
      default: 0,
      doc: 'Steps or epochs (as eval_strategy) before the first evaluation.',
    },
    eval_on_start: { schema: flag, default: false, doc: 'Evaluate before the first step.' },
    save_strategy: {
      schema: saveStrategy,
      default: 'steps',
      doc: 'When to write output_dir/checkpoint-<step>: the adapter and the state for continuing the run. steps and epoch also save after the last step; best: whenever an evaluation is the best so far.',
    },
    load_best_model_at_end: {
      schema: flag,
      default: false,
      doc: 'After the last step, load the weights of the best checkpoint; save_total_limit never removes it.',
    },
    metric_for_best_model: {
      schema: textOrNull,
      default: null,
      doc: 'Name of the metric that decides which checkpoint is best, with or without eval_; null: the loss, if load_best_model_at_end or a schedule needs one.',
    },
    greater_is_better: {
      schema: flagOrNull,
      default: null,
      doc: 'Whether a larger value of the metric is better; null: yes unless its name ends with loss.',
    },
    save_steps: { schema: interval, default: 500, doc: `${steps('saving')} 0: after the last step only.` },
    save_total_limit: {
      schema: countOrNull(1),
      default: null,
      doc: "Keep only this number of the run's newest checkpoints.",
    },
    save_only_model: {
      schema: flag,
      default: false,
      doc: 'Save checkpoints without the optimizer and the state of the run: smaller, but a run cannot continue from them.',
    },
    full_determinism: {
      schema: flag,
      default: false,
      doc: 'The same bits in every run on the same machine: on a GPU attention then adds its gradients in a fixed order, which is slower; the CPU always does.',
    },
    seed: {
      schema: count(0),
      default: 42,
      doc: 'Seed of adapters, dropout and, if data_seed is null, the order of rows.',
    },
    data_seed: { schema: countOrNull(0), default: null, doc: 'Seed of the order of rows; null: seed.' },
    train_sampling_strategy: {
      schema: oneOf('random', 'sequential', 'group_by_length'),
      default: 'random',
      doc: 'Order of rows; group_by_length puts rows of similar length into one batch.',
      aliases: { group_by_length: groupByLength },
    },
    dataloader_drop_last: { schema: flag, default: false, doc: 'Drop the last batch if it is not full.' },
    log_level: {
      schema: oneOf('debug', 'info', 'warning', 'error', 'critical', 'passive'),
      default: 'passive',
      doc: "Lowest severity of the messages shown, set when the trainer is made; 'passive': follow logging.set_verbosity(...).",
    },
    ...inertTrainingOptions,
  },
  refused: refusedTrainingOptions,
}
