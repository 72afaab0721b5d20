import { z } from 'zod'

import { DataCollatorForCompletionOnlyLM } from '../data/collators/completion-only'
import type { AnyCollator } from '../data/collators/any'
import { isPlainCollator } from '../data/collators/plain'
import { IterableDataset } from '../data/iterable-dataset'
import type { FormattingFunc } from '../data/row-text'
import { PreTrainedTokenizer } from '../data/tokenizer'
import type { TrainingDisplay } from '../display/training-progress'
import { logger } from '../logging'
import { CausalLM } from '../models/causal-lm'
import { checkObjective, type Objective } from '../models/objective'
import { object, optionalFunction, optionalObject } from '../options/call'
import { knownNames, type Option, type OptionSet } from '../options/declaration'
import { parseOptions } from '../options/parse'
import { count, countOrNull, flag, optional, real, text } from '../options/schemas'
import type { Optimizer } from '../optim/optimizer'
import type { Schedule } from '../optim/schedules'
import { LoraConfig } from '../peft/config'
import { PeftModel } from '../peft/model'
import { BitsAndBytesConfig } from '../quantization/config'
import { sftOptionSet } from './sft-options'
import { SFTConfig, TrainingArguments } from './arguments'
import type { GivenCallback } from './callbacks'
import type { ComputeMetrics } from './evaluation'
import type { TrainingData } from './row-sets'
import { isEvaluationData, isTrainingData, type EvaluationData } from './evaluation-call'
import type { ParsedSFTTrainerOptions, SFTInit, SFTOptions, SFTTrainerOptions } from './options.generated'

const fromTokenizer = 'a tokenizer from AutoTokenizer.from_pretrained'
const isTokenizer = (value: unknown): boolean => value instanceof PreTrainedTokenizer
const isModel = (value: unknown): boolean =>
  (typeof value === 'string' && value !== '') || value instanceof CausalLM || value instanceof PeftModel

const oneDataset = "one Dataset or IterableDataset, such as dict.get('train') of what load_dataset returns"
const oldPlace = 'Old place of the option of this name of SFTConfig.'

/** An option of SFTConfig that TRL's older trainers took directly. */
function moved<K extends keyof SFTOptions>(name: K): Option<SFTOptions[K] | undefined> {
  const { schema, type } = sftOptionSet.options[name] as unknown as Option<SFTOptions[K]>
  return { schema: optional(schema), default: undefined, doc: oldPlace, ...(type && { type }) }
}

/** The constructor options of SFTTrainer, with TRL's names. */
export const sftTrainerOptionSet: OptionSet<ParsedSFTTrainerOptions> = {
  owner: 'SFTTrainer',
  options: {
    model: {
      ...object<string | CausalLM | PeftModel>(
        'string | CausalLM | PeftModel',
        'a model from AutoModelForCausalLM.from_pretrained, or the name or folder of one',
        isModel,
        'The model. With peft_config it gets a new adapter, else it must have one. A name is loaded before training, in float32 unless model_init_kwargs has another dtype.',
      ),
      default: undefined as never,
      required: true,
    },
    args: optionalObject<TrainingArguments>(
      'TrainingArguments',
      'an SFTConfig or TrainingArguments',
      (value) => value instanceof TrainingArguments,
      'Settings of the run: an SFTConfig, or a TrainingArguments, which keeps its own defaults.',
    ),
    train_dataset: {
      ...object<TrainingData>(
        'TrainingData',
        oneDataset,
        isTrainingData,
        'Rows to learn from: a Dataset, or an IterableDataset, which is read while the run goes on, in its order, and needs max_steps.',
      ),
      default: undefined as never,
      required: true,
    },
    eval_dataset: {
      ...object<EvaluationData | null>(
        'EvaluationData | null',
        `${oneDataset}, or an object of data sets by name, or null`,
        (value) => value === null || isEvaluationData(value),
        'Rows to evaluate on; for several sets by name, { a, b }, the metrics are eval_a_loss, eval_b_loss ...',
      ),
      default: null,
    },
    processing_class: optionalObject<PreTrainedTokenizer>(
      'PreTrainedTokenizer',
      fromTokenizer,
      isTokenizer,
      'The tokenizer of the model. Default: the one saved with the model.',
    ),
    tokenizer: optionalObject<PreTrainedTokenizer>(
      'PreTrainedTokenizer',
      fromTokenizer,
      isTokenizer,
      'Old name of processing_class.',
    ),
    peft_config: {
      ...object<LoraConfig | null>(
        'LoraConfig | null',
        'a LoraConfig or null',
        (value) => value === null || value instanceof LoraConfig,
        'The adapter to put on the model.',
      ),
      default: null,
    },
    formatting_func: optionalFunction<FormattingFunc>(
      'FormattingFunc',
      'Returns the text of a row, or for an object of columns a list of texts; dataset_text_field is then ignored.',
    ),
    data_collator: {
      ...object<AnyCollator | null>(
        'AnyCollator | null',
        'a collator: an object with call, a function of rows, or null',
        (value) =>
          value === null ||
          typeof value === 'function' ||
          typeof (value as { call?: unknown }).call === 'function' ||
          value instanceof DataCollatorForCompletionOnlyLM ||
          isPlainCollator(value),
        'Makes the ids and labels of rows: DataCollatorForCompletionOnlyLM, or your own (rows) => { input_ids, labels }, called once for each row. It gets tokenized rows, or with remove_unused_columns false the rows as they are. Those that only pad change nothing.',
      ),
      default: null,
    },
    compute_metrics: {
      ...object<ComputeMetrics | null>(
        'ComputeMetrics | null',
        'a function or null',
        (value) => value === null || typeof value === 'function',
        'Metrics of an evaluation from { predictions, label_ids }: of each row the most likely next token after each token, as ids, and its labels.',
      ),
      default: null,
    },
    optimizers: {
      ...object<[Optimizer | null, Schedule | null]>(
        '[Optimizer | null, Schedule | null]',
        'a list of an optimizer or null and a schedule or null',
        (value) => Array.isArray(value) && value.length === 2,
        'Optimizer and schedule that replace those of optim and lr_scheduler_type. A run uses the optimizer with its present state.',
      ),
      default: [null, null],
    },
    quantization_config: {
      ...object<BitsAndBytesConfig | null>(
        'BitsAndBytesConfig | null',
        'a BitsAndBytesConfig or null',
        (value) => value === null || value instanceof BitsAndBytesConfig,
        'Quantization of a model given by name; short for model_init_kwargs.quantization_config.',
      ),
      default: null,
    },
    objective: {
      ...object<Objective | undefined>(
        'Objective',
        'a function (logps, batch) => ({ loss, dlogps }), or an object with loss, loss_type, label_smoothing_factor or token_weights',
        (value) => typeof value === 'function' || (typeof value === 'object' && value !== null),
        'The loss (ours): a function of the log-probabilities of the targets, or one that the device computes. Default: set by loss_type and label_smoothing_factor.',
      ),
      default: undefined,
    },
    callbacks: {
      schema: z.custom<GivenCallback[]>(Array.isArray).describe('a list of callbacks'),
      default: [],
      type: 'GivenCallback[]',
      doc: 'Objects, or classes whose constructor needs no arguments, whose methods are called during the run: on_train_begin, on_step_end, on_log ...',
    },
    dataset_text_field: { schema: optional(text), default: undefined, doc: oldPlace },
    max_seq_length: {
      schema: optional(countOrNull(1)),
      default: undefined,
      doc: 'Old place of max_length of SFTConfig; null: 1024, as TRL took it.',
    },
    packing: { schema: optional(flag), default: undefined, doc: oldPlace },
    eval_packing: moved('eval_packing'),
    dataset_kwargs: moved('dataset_kwargs'),
    dataset_num_proc: moved('dataset_num_proc'),
    model_init_kwargs: moved('model_init_kwargs'),
    num_of_sequences: {
      schema: count(1),
      default: 1024,
      inert: true,
      doc: 'Not needed: packing fills rows of max_length tokens.',
    },
    chars_per_token: {
      schema: real({ above: 0 }),
      default: 3.6,
      inert: true,
      doc: 'Not needed: packing counts tokens, not characters.',
    },
    display: optionalObject<TrainingDisplay>(
      'TrainingDisplay',
      'an object with start, step, log and end',
      (value) => typeof (value as TrainingDisplay | null)?.log === 'function',
      'Where progress is shown (ours); by default in the current notebook or terminal.',
    ),
  },
  refused: {
    compute_loss_func: {
      default: null,
      reason: 'whole logits never exist here; give a loss of log-probabilities as objective.',
    },
    model_init: { default: null, reason: 'load the model and pass it.' },
    optimizer_cls_and_kwargs: { default: null, reason: 'choose an optimizer with optim of SFTConfig.' },
    preprocess_logits_for_metrics: {
      default: null,
      reason:
        'compute_metrics gets the argmax of the logits, taken on the device; it is what this function is for.',
    },
    neftune_noise_alpha: { default: null, neutral: [0], reason: 'noise on embeddings is not built.' },
  },
}

/** TRL's SFTTrainer of the tutorial's time silently replaced `max_seq_length: null` by this. */
const DEFAULT_MAX_LENGTH = 1024

const movedNames = [
  'dataset_text_field',
  'packing',
  'eval_packing',
  'dataset_kwargs',
  'dataset_num_proc',
  'model_init_kwargs',
] as const

/**
 * Decides between several names of one option. A plain TrainingArguments keeps its own values (bf16,
 * gradient_checkpointing, learning rate); SFTConfig has TRL's.
 */
export function trainerOptions(given: SFTTrainerOptions): ParsedSFTTrainerOptions & {
  args: SFTConfig
  processing_class: PreTrainedTokenizer | undefined
} {
  const options = parseOptions(sftTrainerOptionSet, given)
  const processing_class = options.processing_class ?? options.tokenizer
  if (options.tokenizer && options.tokenizer !== processing_class) {
    throw new TypeError('[SFTTrainer] processing_class and tokenizer are two different tokenizers; give one')
  }
  const moved: SFTInit = Object.fromEntries(
    movedNames.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])),
  )
  if (options.max_seq_length !== undefined) {
    if (options.max_seq_length === null) {
      logger.warning(
        `max_seq_length is null: rows are cut at ${DEFAULT_MAX_LENGTH} tokens, as trl does. SFTConfig({ max_length: null }) sets no limit`,
      )
    }
    moved.max_length = options.max_seq_length ?? DEFAULT_MAX_LENGTH
  }
  if ((options.args?.eval_strategy ?? 'no') !== 'no' && !options.eval_dataset)
    throw new TypeError(`[SFTTrainer] eval_strategy is '${options.args?.eval_strategy}': give eval_dataset`)
  const args = new SFTConfig({ ...optionsOf(options.args), ...moved })
  if (options.quantization_config && typeof options.model !== 'string')
    throw new TypeError(
      '[SFTTrainer] quantization_config: the model is loaded already; give it to AutoModelForCausalLM.from_pretrained',
    )
  const model_init_kwargs = {
    ...args.model_init_kwargs,
    ...(options.quantization_config && { quantization_config: options.quantization_config }),
  }
  checkStreamed(options.train_dataset, args)
  const train_dataset = args.shuffle_dataset
    ? options.train_dataset.shuffle({ seed: args.seed })
    : options.train_dataset
  return {
    ...options,
    args,
    train_dataset,
    processing_class,
    model_init_kwargs,
    objective: objectiveOf(options.objective, args),
  }
}

/** A stream has no length, and is read in its order. */
function checkStreamed(dataset: TrainingData, args: SFTConfig): void {
  if (!(dataset instanceof IterableDataset)) return
  const needs = (what: string): never => {
    throw new TypeError(`[SFTTrainer] train_dataset is a stream: ${what}`)
  }
  if (!(args.max_steps > 0))
    needs('give max_steps, for nobody knows how many rows there are and the schedule needs to know its end')
  if (args.max_length === null) needs('give max_length, for memory is planned before the rows are read')
  if (args.train_sampling_strategy === 'group_by_length')
    needs('rows cannot be grouped by length, which only a Dataset tells')
}

/** The options of `args`; further fields of a user's subclass belong to the script. */
function optionsOf(args: TrainingArguments | undefined): SFTInit {
  const known = new Set(knownNames(sftOptionSet))
  return Object.fromEntries(Object.entries(args ?? {}).filter(([name]) => known.has(name))) as SFTInit
}

/** The one loss that the options select. */
function objectiveOf(objective: Objective | undefined, args: SFTConfig): Objective {
  const { label_smoothing_factor } = args
  const loss_type = args.loss_type === 'dft' ? 'dft' : 'nll'
  checkObjective(objective)
  if (objective === undefined) {
    const own = { loss_type, label_smoothing_factor } as const
    checkObjective(own)
    return own
  }
  const other =
    loss_type === 'dft' ? 'loss_type' : label_smoothing_factor > 0 ? 'label_smoothing_factor' : undefined
  if (other) throw new TypeError(`[SFTTrainer] objective and ${other} are two losses; give one`)
  return objective
}
