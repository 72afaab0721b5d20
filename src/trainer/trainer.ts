import { setImmediate } from 'node:timers/promises'
import { collate } from '../data/collator'
import type { PreTrainedTokenizer } from '../data/tokenizer'
import type { TrainerStatus } from '../display/watch'
import type { ProcessGroup } from '../distributed/group'
import { sweepRemains } from '../files/atomic-folder'
import { logging } from '../logging'
import type { PackedBatch } from '../models/batch'
import type { Optimizer } from '../optim/optimizer'
import type { PeftModel } from '../peft/model'
import type { TrainingArguments } from './arguments'
import { Accelerator } from './accelerator'
import { CallbackHandler, checkCallback, type GivenCallback, type TrainerCallback } from './callbacks'
import { newControl } from './control'
import type { ComputeMetrics, EvalPrediction } from './evaluation'
import { evaluationCall, type EvaluationData, type EvaluateOptions } from './evaluation-call'
import { Evaluator } from './evaluator'
import { listenForInterrupt } from './interrupt'
import type { TrainRun } from './loop'
import { newRun } from './new-run'
import type { ParsedSFTTrainerOptions, ParsedTrainOptions, TrainOptions } from './options.generated'
import { refuseOverrides } from './overrides'
import { reportersOf } from './reporters'
import { RowSets, type TrainingData } from './row-sets'
import { planRun } from './run-plan'
import { Runs } from './runs'
import { newState, type LogRow, type TrainerState, type TrainOutput } from './state'
import { trainerStatus } from './status'
import { loadSubject, subjectAtHand, type Subject, type SubjectParts } from './subject'
import type { TrainingTask } from './task'
import { shownAsTable } from './train-output'
import { pushTrainer, writeTrainingCard, type ModelCardOptions } from './publish'
import type { PushOptions } from '../export/options'
import { trainOptions } from './train-options'

/** The options that every trainer has. */
export type TrainerParts = Pick<
  ParsedSFTTrainerOptions,
  'model' | 'peft_config' | 'train_dataset' | 'eval_dataset' | 'callbacks' | 'display'
> & {
  args: TrainingArguments
  processing_class: PreTrainedTokenizer | undefined
  compute_metrics?: ComputeMetrics | null
  model_init_kwargs?: SubjectParts['model_init_kwargs'] | undefined
  optimizers?: ParsedSFTTrainerOptions['optimizers']
}

/** The result of `predict`. */
export interface PredictionOutput extends EvalPrediction {
  metrics: LogRow
}

/** Trains an adapter. The rows and the loss are those of its task. */
export abstract class Trainer {
  readonly args: TrainingArguments
  readonly state: TrainerState = newState()
  private readonly parts: SubjectParts
  private readonly options: TrainerParts
  private readonly makeTask: (subject: Subject) => TrainingTask
  private subject: Subject | undefined
  private currentTask: TrainingTask | undefined
  private loading: Promise<Subject> | undefined
  private readonly callbacks: TrainerCallback[]
  private readonly sets: RowSets
  private readonly evaluator: Evaluator
  private readonly runs: Runs
  /** Python's accelerator, which scripts read. */
  readonly accelerator: Accelerator = new Accelerator()
  readonly is_fsdp_enabled: boolean = false

  /** `task` makes the trainer's task; it is called when the adapter is on the model. */
  protected constructor(options: TrainerParts, owner: string, task: (subject: Subject) => TrainingTask) {
    const { args, processing_class: tokenizer, model, peft_config, model_init_kwargs = null } = options
    refuseOverrides(this, Trainer.prototype)
    this.options = options
    this.args = args
    if (args.log_level !== 'passive') logging.set_verbosity(args.log_level)
    this.parts = { owner, model, peft_config, tokenizer, model_init_kwargs, args }
    this.makeTask = task
    this.sets = new RowSets(options.train_dataset)
    this.evaluator = new Evaluator({
      ...{ owner, args, sets: this.sets, eval_dataset: options.eval_dataset },
      compute_metrics: options.compute_metrics ?? undefined,
      model: () => this.model.base_model,
      task: () => this.task,
    })
    this.runs = new Runs(owner, (...given) => this.newRun(...given), options.optimizers?.[0] ?? null)
    const reports = this.accelerator.is_main_process
    this.callbacks = reports ? [...reportersOf(args, options.display, () => this.model.config)] : []
    this.state.is_world_process_zero = reports
    this.state.is_local_process_zero = this.accelerator.is_local_main_process
    const subject = subjectAtHand(this.parts)
    if (subject) this.take(subject)
    for (const callback of options.callbacks) this.add_callback(callback)
  }

  /** The model with its adapter. @throws Error before a model given by name is loaded. */
  get model(): PeftModel {
    return this.loaded.model
  }

  /** The tokenizer. @throws Error before it is loaded. */
  get processing_class(): PreTrainedTokenizer {
    return this.loaded.tokenizer
  }

  get train_dataset(): TrainingData {
    return this.options.train_dataset
  }

  get eval_dataset(): EvaluationData | null {
    return this.options.eval_dataset
  }

  /** Loads what was given by name. `train` and other methods do this first; await it to read `model` earlier. */
  async load(): Promise<this> {
    if (this.subject) return this
    this.loading ??= loadSubject(this.parts).catch((error: unknown) => {
      this.loading = undefined
      throw error
    })
    const loaded = await this.loading
    if (!this.subject) this.take(loaded)
    return this
  }

  /** Adds a callback: an object, or a class whose constructor needs no arguments. */
  add_callback(given: GivenCallback): void {
    const callback = checkCallback(given)
    this.callbacks.push(callback)
    void callback.on_init_end?.(this.args, this.state, newControl())
  }

  /** Removes a callback and returns it: the given object, or the first of a class. */
  pop_callback(given: GivenCallback): TrainerCallback | undefined {
    const isIt = (callback: TrainerCallback): boolean =>
      callback === given || (typeof given === 'function' && callback instanceof given)
    const at = this.callbacks.findIndex(isIt)
    return at < 0 ? undefined : this.callbacks.splice(at, 1)[0]
  }

  remove_callback(given: GivenCallback): void {
    this.pop_callback(given)
  }

  /**
   * Trains. Resolves after the last step; or, with `stopped: true`, after the current step when `signal` is
   * aborted or the process gets SIGINT (Ctrl-C, a notebook's interrupt).
   *
   * A stopped run is kept in memory: the next `train()` continues it with the same bits as without the stop.
   * `resume_from_checkpoint` does the same for a run of another process. A run that failed, because of a full
   * disk or a callback that threw, continues too. After a run that reached its end, or that a callback ended,
   * `train()` begins a new run with a new optimizer and the adapter as it is.
   *
   * SIGTERM and SIGHUP write a checkpoint after the current step, unless `save_strategy` is 'no', and then
   * end the process; if something else listens for them, they are ignored here.
   * @throws Error when the data set is empty, has no text column (listing its columns), or has no tokens to
   * train on; when another run uses output_dir, or another trainer trains the model; when the disk or a
   * callback fails; after `max_nonfinite_steps` steps that were not finite.
   */
  async train(options: TrainOptions = {}): Promise<TrainOutput> {
    const parsed = trainOptions(options)
    refuseOverrides(this, Trainer.prototype)
    // tslab runs a cell's first turn in a vm with breakOnSigint: with a listener added there, SIGINT keeps its
    // default effect, which ends the kernel.
    await setImmediate()
    await this.load()
    return shownAsTable(await this.runs.train(this.model.base_model, this.args, parsed))
  }

  /**
   * Mean loss over the targets of the evaluation set: eval_loss, eval_mean_token_accuracy, eval_entropy,
   * eval_runtime ..., and the metrics of compute_metrics. With several sets (an object of data sets by name)
   * the names begin with eval_<name>. The row is logged.
   * @param data - The data set or sets; default: eval_dataset. Or the options, including `eval_dataset`.
   * @throws AbortError when `signal` is aborted or the process gets SIGINT, between two batches.
   */
  async evaluate(data?: EvaluationData | EvaluateOptions, options: EvaluateOptions = {}): Promise<LogRow> {
    const call = evaluationCall(`${this.parts.owner}.evaluate`, data, options, 'eval')
    await setImmediate() // as in train
    await this.load()
    const interrupt = listenForInterrupt(call.signal)
    try {
      const events = this.handler()
      const sets = await this.evaluator.measure(interrupt.signal, events, call.data, call.prefix)
      for (const set of sets) await events.logged(events.record(set)).finally(() => events.evaluated(set))
      return Object.assign({}, ...sets) as LogRow
    } finally {
      interrupt.release()
    }
  }

  /**
   * The most likely next token after each token of the rows, the labels, and the metrics of `evaluate` with
   * `test_` names.
   * @throws AbortError like `evaluate`.
   */
  async predict(dataset: TrainingData, options: EvaluateOptions = {}): Promise<PredictionOutput> {
    const { signal, prefix } = evaluationCall(`${this.parts.owner}.predict`, dataset, options, 'test')
    await setImmediate()
    await this.load()
    const interrupt = listenForInterrupt(signal)
    try {
      const events = this.handler()
      const of = { name: 'test', prefix, predictions: true }
      const { metrics, prediction } = await this.evaluator.over(dataset, interrupt.signal, events, of)
      await events.predicted(metrics)
      return { ...prediction, metrics }
    } finally {
      interrupt.release()
    }
  }

  /** Adds epoch and step to a row, appends it to `state.log_history`, and calls the callbacks. */
  async log(logs: LogRow): Promise<void> {
    const events = this.handler()
    await events.logged(events.record(logs))
  }

  /** The current state of training. It does not wait: another cell can call it during training. */
  status(): TrainerStatus {
    return trainerStatus(this, this.runs.current, this.runs.isTraining)
  }

  /**
   * Saves adapter and tokenizer to a folder, on rank 0 only; default: output_dir. After training, its README.md
   * describes the run.
   */
  async save_model(folder: string = this.args.output_dir): Promise<void> {
    await this.load()
    if (!this.accelerator.is_main_process) return
    await sweepRemains(folder)
    await this.model.save_pretrained(folder)
    await this.processing_class.save_pretrained(folder)
    if (this.state.global_step > 0) await writeTrainingCard(this, this.options.train_dataset, folder)
  }

  /** Writes README.md, with data, arguments, losses and versions, into output_dir. */
  async create_model_card(options: ModelCardOptions = {}): Promise<void> {
    await this.load()
    await writeTrainingCard(this, this.options.train_dataset, this.args.output_dir, options)
  }

  /**
   * Uploads the files that `save_model` writes; a new repository is private. `repo_id`: default is the last
   * part of output_dir.
   */
  async push_to_hub(repo_id?: string, options: PushOptions = {}): Promise<string> {
    await this.load()
    await this.handler().on('on_push_begin')
    return pushTrainer(this, repo_id, options)
  }

  /** Frees optimizer state, adapter and model. */
  dispose(): void {
    this.runs.dispose()
    this.currentTask?.dispose?.()
    this.subject?.model.dispose()
  }

  /**
   * Changes the rows of `train_dataset` before the first `train()`: for helpers such as
   * train_on_responses_only. @internal
   */
  changeRows(change: Parameters<RowSets['change']>[0]): void {
    this.sets.change(change)
  }

  /**
   * The micro batches of an epoch, in the order of training, for a look at them before the first step: how many, and each by its
   * number with the tokens of its rows.
   * @throws TypeError when train_dataset is a stream.
   */
  async train_batches(
    epoch = 0,
  ): Promise<{ count: number; at: (index: number) => { rows: number[]; collated: PackedBatch } }> {
    await this.load()
    const rows = await this.sets.train(this.task, undefined)
    if (!Array.isArray(rows))
      throw new TypeError(
        `[${this.parts.owner}] train_batches: a streamed train_dataset is not read ahead; make a trainer of Dataset.from_list with some of its rows`,
      )
    const lengths = rows.map((row) => row.input_ids.length)
    const batches = planRun(this.args, lengths, this.parts.owner).batchesOf(epoch)
    const at = (index: number): { rows: number[]; collated: PackedBatch } => {
      const taken = batches[index]!.map((i) => rows[i]!)
      return { rows: taken.map((row) => row.input_ids.length), collated: collate(taken) }
    }
    return { count: batches.length, at }
  }

  private get task(): TrainingTask {
    return (this.currentTask ??= this.makeTask(this.loaded))
  }

  private get loaded(): Subject {
    if (this.subject) return this.subject
    throw new Error(
      `[${this.parts.owner}] the model or its tokenizer is not loaded yet: await trainer.load(), or trainer.train(), first`,
    )
  }

  private take(subject: Subject): void {
    this.subject = subject
    void this.task
    if (this.args.gradient_checkpointing) subject.model.base_model.gradient_checkpointing_enable()
  }

  private handler(optimizer?: Optimizer): CallbackHandler {
    const { model, tokenizer: processing_class } = this.loaded
    return new CallbackHandler(this.callbacks, this.args, this.state, { model, processing_class, optimizer })
  }

  private async newRun(
    signal: AbortSignal,
    from: ParsedTrainOptions['resume_from_checkpoint'],
    begin: (optimizer: Optimizer | undefined) => void,
    group: ProcessGroup | undefined,
  ): Promise<TrainRun> {
    const { model, tokenizer } = this.loaded
    const rows = await this.sets.train(this.task, signal)
    await this.evaluator.check(signal)
    return newRun({
      ...{
        model,
        tokenizer,
        from,
        signal,
        group,
        args: this.args,
        state: this.state,
        task: this.task,
        rows,
        begin,
      },
      optimizers: this.options.optimizers,
      events: (optimizer) => this.handler(optimizer),
      evaluate: (stop, events) => this.evaluator.measure(stop, events, undefined, 'eval'),
    })
  }
}
