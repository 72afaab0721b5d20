import { mkdir } from 'node:fs/promises'
import { setImmediate } from 'node:timers/promises'
import { collate } from '../data/collator'
import type { Dataset } from '../data/dataset'
import { chunked, sampleOrder } from '../data/sampler'
import { tokenizeDataset, type TokenizedDataset, type TokenizeOptions } from '../data/tokenize'
import type { PreTrainedTokenizer } from '../data/tokenizer'
import { LlamaForCausalLM } from '../models/causal-lm'
import { runPass } from '../models/pass'
import { AdamW } from '../optim/adamw'
import { get_scheduler } from '../optim/schedules'
import type { LoraConfig } from '../peft/config'
import { get_peft_model, PeftModel } from '../peft/model'
import { CallbackHandler, type TrainerCallback } from './callbacks'
import { saveCheckpoint } from './checkpoint'
import { trainLoop } from './loop'
import { listenForInterrupt } from './interrupt'
import { csvReporter, displayReporter, stateReporter, tensorboardReporter } from './reporters'
import type { SFTConfig } from './sft-config'
import { trainerOptions, type SFTTrainerOptions } from './sft-trainer-options'
import { newState, type LogRow, type TrainerState, type TrainOutput } from './state'

export type { SFTTrainerOptions } from './sft-trainer-options'

/**
 * Supervised fine-tuning with an adapter, with the names of TRL's SFTTrainer; the spellings of its 2024 releases
 * (dataset_text_field, max_seq_length, tokenizer, packing) stay valid.
 */
export class SFTTrainer {
  readonly model: PeftModel
  readonly args: SFTConfig
  readonly processing_class: PreTrainedTokenizer
  readonly state: TrainerState = newState()
  private readonly callbacks: TrainerCallback[]
  private tokenized: { train?: TokenizedDataset; eval?: TokenizedDataset } = {}
  private optimizer: AdamW | undefined

  /** @throws TypeError on an unknown or contradictory option; Error when the model has no adapter and no peft_config is given. */
  constructor(private readonly options: SFTTrainerOptions) {
    const { args, processing_class } = trainerOptions(options)
    this.args = args
    this.processing_class = processing_class
    this.model = adapted(options.model, options.peft_config, args)
    if (args.gradient_checkpointing) this.model.base_model.gradient_checkpointing_enable()
    this.callbacks = [displayReporter(args, options.display), stateReporter(), ...(options.callbacks ?? [])]
    if (args.report_to.includes('tensorboard')) this.callbacks.push(tensorboardReporter(this.model.config))
    if (args.report_to.includes('csv')) this.callbacks.push(csvReporter())
  }

  /**
   * Trains. Resolves when the last step is done, or, with `stopped: true`, at the step boundary after `signal` was aborted
   * or the process got SIGINT (Ctrl-C, a notebook's interrupt); the model then holds what was trained so far.
   * @throws Error when the data set is empty, has no text column (naming those it has), or leaves nothing to learn.
   */
  async train(options: { signal?: AbortSignal } = {}): Promise<TrainOutput> {
    // tslab runs a cell's first turn in a vm with breakOnSigint: a listener added there leaves SIGINT at its default, which ends the kernel.
    await setImmediate()
    const interrupt = listenForInterrupt(options.signal)
    try {
      return await this.run(interrupt.signal)
    } finally {
      interrupt.release()
    }
  }

  /** Mean loss over the targets of the evaluation set: eval_loss, eval_mean_token_accuracy, eval_entropy, eval_runtime ... */
  async evaluate(dataset?: Dataset): Promise<LogRow> {
    const given = dataset ?? this.options.eval_dataset
    if (!given) throw new Error('[SFTTrainer] evaluate: give a data set, or eval_dataset to the constructor')
    const { rows } = dataset ? await this.tokenize(dataset, 'evaluation') : await this.evalRows(given)
    const started = performance.now()
    const sums = { loss: 0, targets: 0, entropy: 0, correct: 0 }
    const batches = chunked(rows, this.args.per_device_eval_batch_size).map((part) => collate(part))
    const autocast = this.args.bf16 ? ('bfloat16' as const) : undefined
    for (const batch of batches) {
      const stats = await runPass(this.model.base_model, batch, { backward: false, autocast })
      sums.loss += stats.lossSum
      sums.targets += stats.numTargets
      sums.entropy += stats.entropySum
      sums.correct += stats.correct
    }
    const seconds = (performance.now() - started) / 1000
    return {
      eval_loss: sums.loss / sums.targets,
      eval_entropy: sums.entropy / sums.targets,
      eval_mean_token_accuracy: sums.correct / sums.targets,
      eval_runtime: seconds,
      eval_samples_per_second: rows.length / seconds,
      eval_steps_per_second: batches.length / seconds,
    }
  }

  /** Saves adapter and tokenizer to a folder; default: output_dir. */
  async save_model(folder: string = this.args.output_dir): Promise<void> {
    await this.model.save_pretrained(folder)
    await this.processing_class.save_pretrained(folder)
  }

  /** Frees optimizer state, adapter and model. */
  dispose(): void {
    this.optimizer?.dispose()
    this.model.dispose()
  }

  private async run(signal: AbortSignal): Promise<TrainOutput> {
    const { args } = this
    const { rows } = await this.trainRows(signal)
    const lengths = rows.map((row) => row.input_ids.length)
    const batchSize = args.per_device_train_batch_size
    const batchesOf = (epoch: number): number[][] => {
      const seed = (args.data_seed ?? args.seed) + epoch
      const order = sampleOrder(args.train_sampling_strategy, { lengths, batchSize, seed })
      return chunked(order, batchSize, args.dataloader_drop_last)
    }
    const batchesPerEpoch = args.dataloader_drop_last
      ? Math.floor(rows.length / batchSize)
      : Math.ceil(rows.length / batchSize)
    if (batchesPerEpoch === 0) {
      throw new Error(
        `[SFTTrainer] ${rows.length} rows make no batch of ${batchSize} with dataloader_drop_last`,
      )
    }
    await mkdir(args.output_dir, { recursive: true })
    this.beginState(batchesPerEpoch)
    this.optimizer?.dispose()
    this.optimizer = new AdamW(this.model.parameters(), {
      beta1: args.adam_beta1,
      beta2: args.adam_beta2,
      eps: args.adam_epsilon,
      weight_decay: args.weight_decay,
    })
    return trainLoop({
      model: this.model.base_model,
      args,
      optimizer: this.optimizer,
      schedule: get_scheduler(args.lr_scheduler_type, {
        num_warmup_steps: args.get_warmup_steps(this.state.max_steps),
        num_training_steps: this.state.max_steps,
        learning_rate: args.learning_rate,
        lr_scheduler_kwargs: args.lr_scheduler_kwargs,
      }),
      state: this.state,
      events: new CallbackHandler(this.callbacks, args, this.state),
      batchesPerEpoch,
      batches: (epoch) => batchesOf(epoch).map((indices) => collate(indices.map((i) => rows[i]!))),
      rowsPerStep: batchSize * args.gradient_accumulation_steps,
      evaluate: () => this.evaluate(),
      save: () => saveCheckpoint(this.model, this.processing_class, args, this.state),
      signal,
    })
  }

  private async trainRows(signal: AbortSignal | undefined): Promise<TokenizedDataset> {
    this.tokenized.train ??= await this.tokenize(this.options.train_dataset, 'train', signal)
    return this.tokenized.train
  }

  private async evalRows(dataset: Dataset): Promise<TokenizedDataset> {
    this.tokenized.eval ??= await this.tokenize(dataset, 'evaluation')
    return this.tokenized.eval
  }

  private tokenize(dataset: Dataset, name: string, signal?: AbortSignal): Promise<TokenizedDataset> {
    const { args } = this
    const options: TokenizeOptions = {
      dataset_text_field: args.dataset_text_field,
      max_length: args.max_length,
      packing: name === 'evaluation' ? (args.eval_packing ?? args.packing) : args.packing,
      packing_strategy: args.packing_strategy,
      completion_only_loss: args.completion_only_loss,
      assistant_only_loss: args.assistant_only_loss,
      formatting_func: this.options.formatting_func,
      dataset_name: name,
    }
    return tokenizeDataset(dataset, this.processing_class, signal ? { ...options, signal } : options)
  }

  private beginState(batchesPerEpoch: number): void {
    const { args, state } = this
    const stepsPerEpoch = Math.max(1, Math.ceil(batchesPerEpoch / args.gradient_accumulation_steps))
    const max_steps = args.max_steps > 0 ? args.max_steps : Math.ceil(args.num_train_epochs * stepsPerEpoch)
    Object.assign(state, newState(), {
      max_steps,
      num_train_epochs: Math.ceil(max_steps / stepsPerEpoch),
      logging_steps: args.logging_steps,
      save_steps: args.save_steps,
      train_batch_size: args.per_device_train_batch_size,
    })
  }
}

/** The seed is set before the adapter is made, so that the same seed gives the same run. */
function adapted(
  model: LlamaForCausalLM | PeftModel,
  config: LoraConfig | null | undefined,
  args: SFTConfig,
): PeftModel {
  if (model instanceof PeftModel) {
    if (config)
      throw new TypeError(
        '[SFTTrainer] the model has an adapter already; give a model or peft_config, not both',
      )
    return model
  }
  if (!(model instanceof LlamaForCausalLM)) {
    throw new TypeError('[SFTTrainer] model: expected a model from AutoModelForCausalLM.from_pretrained')
  }
  if (!config) throw new TypeError('[SFTTrainer] peft_config is missing: only adapters are trained')
  return get_peft_model(model, config, { seed: args.seed, dtype: args.bf16 ? 'bfloat16' : 'float32' })
}
