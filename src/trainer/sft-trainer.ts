import { randomUUID } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { collate } from '../data/collator'
import type { Dataset } from '../data/dataset'
import type { LabelledRow } from '../data/packing'
import { checkSpecialIds } from '../data/special-tokens'
import { tokenizeDataset, type TokenizeOptions } from '../data/tokenize'
import type { PreTrainedTokenizer } from '../data/tokenizer'
import { sweepRemains } from '../files/atomic-folder'
import type { TrainerStatus } from '../display/watch'
import type { CausalLM } from '../models/causal-lm'
import { logging } from '../logging'
import { checkNames } from '../options/parse'
import { createOptimizer } from '../optim/create'
import type { Optimizer } from '../optim/optimizer'
import { get_scheduler } from '../optim/schedules'
import type { LoraConfig } from '../peft/config'
import { get_peft_model, PeftModel } from '../peft/model'
import type { SFTConfig, TrainingArguments } from './arguments'
import { CallbackHandler, type TrainerCallback } from './callbacks'
import { saveCheckpoint, warnOfEarlierRuns } from './checkpoint'
import { evaluateRows } from './evaluation'
import { trainLoop, type TrainRun } from './loop'
import { type Interrupt, listenForInterrupt, unlessAborted } from './interrupt'
import { refuseOverrides } from './overrides'
import { csvReporter, displayReporter, stateReporter, tensorboardReporter } from './reporters'
import type {
  ParsedSFTTrainerOptions,
  ParsedTrainOptions,
  SFTTrainerOptions,
  TrainOptions,
} from './options.generated'
import { newProgress, restoredProgress } from './progress'
import { lastCheckpoint, openCheckpoint, restoreWeights, type Checkpoint } from './resume'
import { holdingFolder, holdingModel } from './run-lock'
import { planRun } from './run-plan'
import { lossSettings, settingsOf } from './run-settings'
import { newState, type LogRow, type TrainerState, type TrainOutput } from './state'
import type { TrainingTask } from './task'
import { trainOptions, trainerOptions } from './trainer-options'
import { batchSizes, planMemory } from './apply-memory-plan'
import { trainerStatus } from './status'
import { shownAsTable } from './train-output'

export type { SFTTrainerOptions, TrainOptions } from './options.generated'

/** What every trainer takes. */
export type TrainerParts = Pick<
  ParsedSFTTrainerOptions,
  'model' | 'peft_config' | 'train_dataset' | 'eval_dataset' | 'callbacks' | 'display'
> & { args: TrainingArguments; processing_class: PreTrainedTokenizer }

/** Runs the training of an adapter; what is learned of which rows is its task's. */
export abstract class Trainer {
  readonly model: PeftModel
  readonly args: TrainingArguments
  readonly processing_class: PreTrainedTokenizer
  readonly state: TrainerState = newState()
  private readonly task: TrainingTask
  private readonly options: TrainerParts
  private readonly callbacks: TrainerCallback[]
  private tokenized: { train?: LabelledRow[]; eval?: LabelledRow[] } = {}
  private optimizer: Optimizer | undefined
  /** The newest run, for `status`; `unfinished` when it was stopped and the next `train()` goes on with it. */
  private current: TrainRun | undefined
  private unfinished: TrainRun | undefined
  private training: Promise<TrainOutput> | undefined
  private stopping: AbortSignal | undefined

  /** `task` makes the trainer's task, when the adapter is on the model. */
  protected constructor(options: TrainerParts, owner: string, task: (model: PeftModel) => TrainingTask) {
    const { args, processing_class } = options
    refuseOverrides(this)
    this.options = options
    this.args = args
    if (args.log_level !== 'passive') logging.set_verbosity(args.log_level)
    this.processing_class = processing_class
    const { config } = options.model
    checkSpecialIds(`[${owner}] processing_class`, processing_class, config.vocab_size)
    this.model = adapted(options.model, options.peft_config, args, owner)
    this.task = task(this.model)
    if (args.gradient_checkpointing) this.model.base_model.gradient_checkpointing_enable()
    this.callbacks = [displayReporter(args, options.display), stateReporter(), ...options.callbacks]
    if (args.report_to.includes('tensorboard')) this.callbacks.push(tensorboardReporter(this.model.config))
    if (args.report_to.includes('csv')) this.callbacks.push(csvReporter())
  }

  /**
   * Trains. Resolves when the last step is done, or, with `stopped: true`, at the step boundary after `signal` was aborted
   * or the process got SIGINT (Ctrl-C, a notebook's interrupt). A run stopped so is kept in memory: the next `train()` goes
   * on with the bits of a run that was never stopped; with `resume_from_checkpoint` so does a run of another process. So does
   * a run that failed, by a full disk or a callback that threw. After a run that ended, or was ended by a callback, `train()` begins
   * a new one: a new optimizer, the adapter as it is. SIGTERM and SIGHUP write a checkpoint at the step boundary, unless
   * `save_strategy` is 'no', and then end the process; where somebody else listens for them, they are left alone.
   * @throws Error when the data set is empty, has no text column (naming those it has), or leaves nothing to learn; when another
   * run holds output_dir, or another trainer trains the model; when the disk or a callback fails; after `max_nonfinite_steps` steps
   * that were not finite.
   */
  async train(options: TrainOptions = {}): Promise<TrainOutput> {
    const { signal, resume_from_checkpoint } = trainOptions(options)
    refuseOverrides(this)
    // tslab runs a cell's first turn in a vm with breakOnSigint: a listener added there leaves SIGINT at its default, which ends the kernel.
    await setImmediate()
    if (this.training) await this.lastRun(signal)
    const interrupt = listenForInterrupt(signal, true)
    this.training = holdingModel(this.model.base_model, () =>
      holdingFolder(this.args.output_dir, () => this.run(interrupt, resume_from_checkpoint)),
    )
    try {
      return shownAsTable(await this.training)
    } finally {
      this.training = undefined
      // What a step takes besides the weights is the next cell's now, or another process's.
      this.model.base_model.device.emptyCache()
      interrupt.release()
      // The run is saved: now the signal may do what it does without us.
      if (interrupt.endedBy) process.kill(process.pid, interrupt.endedBy)
    }
  }

  /**
   * Mean loss over the targets of the evaluation set: eval_loss, eval_mean_token_accuracy, eval_entropy, eval_runtime ...
   * @throws AbortError when `signal` is aborted or the process gets SIGINT, between two batches.
   */
  async evaluate(dataset?: Dataset, options: { signal?: AbortSignal } = {}): Promise<LogRow> {
    checkNames<{ signal?: AbortSignal }>(`${this.task.owner}.evaluate`, options, ['signal'], {
      metric_key_prefix: { default: 'eval', reason: 'the names begin with eval_.' },
      ignore_keys: { default: null, reason: 'evaluation keeps no predictions.' },
    })
    await setImmediate() // as in train
    const interrupt = listenForInterrupt(options.signal)
    try {
      return await this.measure(interrupt.signal, dataset)
    } finally {
      interrupt.release()
    }
  }

  /** Where training stands right now. Waits for nothing: another cell can read it while one trains. */
  status(): TrainerStatus {
    return trainerStatus(this, this.current, this.training !== undefined)
  }

  /** Saves adapter and tokenizer to a folder; default: output_dir. */
  async save_model(folder: string = this.args.output_dir): Promise<void> {
    await sweepRemains(folder)
    await this.model.save_pretrained(folder)
    await this.processing_class.save_pretrained(folder)
  }

  /** Frees optimizer state, adapter and model. */
  dispose(): void {
    this.optimizer?.dispose()
    this.task.dispose?.()
    this.current = this.unfinished = undefined
    this.model.dispose()
  }

  private async measure(signal: AbortSignal | undefined, dataset?: Dataset): Promise<LogRow> {
    const given = dataset ?? this.options.eval_dataset
    const { task } = this
    if (!given)
      throw new Error(`[${task.owner}] evaluate: give a data set, or eval_dataset to the constructor`)
    const rows = dataset ? await this.measuredRows(dataset, signal) : await this.evalRows(given, signal)
    return evaluateRows(this.model.base_model, rows, this.args, signal, task)
  }

  /** A run that was told to stop may still be in its last step: its cell was given up before. */
  private async lastRun(signal: AbortSignal | undefined): Promise<void> {
    const interrupt = listenForInterrupt(signal)
    const given = new Promise((resolve) => interrupt.signal.addEventListener('abort', resolve))
    try {
      if (this.stopping?.aborted) await Promise.race([this.training, given]).catch(() => undefined)
    } finally {
      interrupt.release()
    }
    if (this.training) {
      throw new Error(
        `[${this.task.owner}] train: an earlier train() of this trainer has not ended; interrupt it first, or make a new trainer for its model`,
      )
    }
  }

  private async run(
    interrupt: Interrupt,
    from: ParsedTrainOptions['resume_from_checkpoint'],
  ): Promise<TrainOutput> {
    const { signal } = interrupt
    this.stopping = signal
    const goesOn = from === null ? this.unfinished : undefined
    const run = goesOn ?? (await unlessAborted(signal, this.newRun(signal, from)))
    // Stopped while the texts were tokenized: there is no run yet.
    if (!run) return { global_step: 0, training_loss: 0, metrics: {}, stopped: true }
    // Also what fails leaves the run where it stands.
    this.unfinished = this.current = run
    const output = await trainLoop(run, signal)
    if (run.progress.ended) this.unfinished = undefined
    else if (interrupt.endedBy && run.args.save_strategy !== 'no' && run.state.global_step > 0)
      await run.save(run)
    return output
  }

  private async newRun(
    signal: AbortSignal,
    from: ParsedTrainOptions['resume_from_checkpoint'],
  ): Promise<TrainRun> {
    const { args, task } = this
    const tokenized = await this.trainRows(signal)
    const lengths = tokenized.map((row) => row.input_ids.length)
    const { begin, batchesOf, batchesPerEpoch } = planRun(args, lengths, task.owner)
    const settings = await settingsOf(this.model, args, tokenized, begin.max_steps, task.loss)
    const checkpoint =
      from === true
        ? await lastCheckpoint(args.output_dir, settings)
        : from
          ? await openCheckpoint(from, settings)
          : undefined
    if (!checkpoint && args.save_strategy !== 'no') await warnOfEarlierRuns(args.output_dir)
    // All is checked: an earlier run is given up only now.
    this.unfinished = this.current = undefined
    Object.assign(this.state, begin)
    const epochs = Array.from({ length: begin.num_train_epochs }, (_, epoch) => epoch)
    const { objective, dropout } = task
    const batches = epochs.flatMap(batchesOf)
    const sequences = tokenized.map((row) => row.seq_lengths ?? [row.input_ids.length])
    const further = task.passes
      ? batches.flatMap((batch) => task.passes!(batch.map((i) => tokenized[i]!)))
      : []
    planMemory(this.model, args, [...batchSizes(batches, sequences), ...further], { objective, dropout })
    const rows = task.measure ? await task.measure(tokenized, 'train', signal) : tokenized
    this.optimizer?.dispose()
    this.optimizer = createOptimizer(this.model.parameters(), args)
    const run: TrainRun = {
      model: this.model.base_model,
      args,
      optimizer: this.optimizer,
      schedule: get_scheduler(args.lr_scheduler_type, {
        num_warmup_steps: args.get_warmup_steps(this.state.max_steps),
        num_training_steps: this.state.max_steps,
        learning_rate: args.learning_rate,
        lr_scheduler_kwargs: args.lr_scheduler_kwargs,
      }),
      objective,
      prepare: task.prepare && ((batch) => task.prepare!(batch)),
      dropout,
      state: this.state,
      progress: newProgress(args),
      identity: { run_id: checkpoint?.run.run_id ?? randomUUID(), settings },
      events: new CallbackHandler(this.callbacks, args, this.state),
      batchesPerEpoch,
      batches: function* (epoch, from) {
        for (const indices of batchesOf(epoch).slice(from)) yield collate(indices.map((i) => rows[i]!))
      },
      rowsPerStep: args.per_device_train_batch_size * args.gradient_accumulation_steps,
      evaluate: (stop) => this.measure(stop),
      save: (current) => saveCheckpoint(this.model, this.processing_class, current),
    }
    if (checkpoint) await this.goOn(run, checkpoint)
    return run
  }

  /** Puts a run where the checkpoint's was. */
  private async goOn(run: TrainRun, checkpoint: Checkpoint): Promise<void> {
    const { state, run: saved } = checkpoint
    await restoreWeights(checkpoint, this.model.parameters(), run.optimizer)
    const { epoch, global_step, num_input_tokens_seen, log_history } = state
    Object.assign(this.state, { epoch, global_step, num_input_tokens_seen, log_history })
    run.progress = restoredProgress(saved.progress, this.args)
    // A schedule that follows the evaluations has seen these.
    for (const row of state.log_history) if ('eval_loss' in row) run.schedule.observe?.(row['eval_loss'])
  }

  private async trainRows(signal: AbortSignal | undefined): Promise<LabelledRow[]> {
    this.tokenized.train ??= await this.task.rows(this.options.train_dataset, 'train', signal)
    return this.tokenized.train
  }

  private async evalRows(dataset: Dataset, signal: AbortSignal | undefined): Promise<LabelledRow[]> {
    this.tokenized.eval ??= await this.measuredRows(dataset, signal)
    return this.tokenized.eval
  }

  /** Rows to evaluate on. */
  private async measuredRows(dataset: Dataset, signal: AbortSignal | undefined): Promise<LabelledRow[]> {
    const { task } = this
    const rows = await task.rows(dataset, 'evaluation', signal)
    return task.measure ? task.measure(rows, 'evaluation', signal) : rows
  }
}

/**
 * Supervised fine-tuning with an adapter, with the names of TRL's SFTTrainer; the spellings of its 2024 releases
 * (dataset_text_field, max_seq_length, tokenizer, packing) stay valid.
 */
export class SFTTrainer extends Trainer {
  declare readonly args: SFTConfig

  /** @throws TypeError on an unknown or contradictory option; Error when the model has no adapter and no peft_config is given. */
  constructor(given: SFTTrainerOptions) {
    const options = trainerOptions(given)
    super(options, 'SFTTrainer', (model) => sftTask(model, options))
  }
}

function sftTask(
  model: PeftModel,
  options: ParsedSFTTrainerOptions & { args: SFTConfig; processing_class: PreTrainedTokenizer },
): TrainingTask {
  const { args, processing_class, objective = {} } = options
  return {
    owner: 'SFTTrainer',
    objective,
    loss: lossSettings(objective),
    lossPer: 'target',
    dropout: true,
    rows: async (dataset, split, signal) => {
      const tokenize: TokenizeOptions = {
        dataset_text_field: args.dataset_text_field,
        max_length: args.max_length,
        packing: split === 'evaluation' ? (args.eval_packing ?? args.packing) : args.packing,
        packing_strategy: args.packing_strategy,
        completion_only_loss: args.completion_only_loss,
        assistant_only_loss: args.assistant_only_loss,
        formatting_func: options.formatting_func,
        dataset_kwargs: args.dataset_kwargs,
        dataset_name: split,
        model: model.base_model.config,
      }
      const { rows } = await tokenizeDataset(
        dataset,
        processing_class,
        signal ? { ...tokenize, signal } : tokenize,
      )
      return rows
    },
  }
}

/** The seed is set before the adapter is made, so that the same seed gives the same run. */
function adapted(
  model: CausalLM | PeftModel,
  config: LoraConfig | null | undefined,
  args: TrainingArguments,
  owner: string,
): PeftModel {
  if (model instanceof PeftModel) {
    if (config)
      throw new TypeError(
        `[${owner}] the model has an adapter already; give a model or peft_config, not both`,
      )
    return model
  }
  if (!config) throw new TypeError(`[${owner}] peft_config is missing: only adapters are trained`)
  return get_peft_model(model, config, { seed: args.seed, dtype: args.bf16 ? 'bfloat16' : 'float32' })
}
