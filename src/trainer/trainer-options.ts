import { z } from 'zod'

import { Dataset, type Row } from '../data/dataset'
import { PreTrainedTokenizer } from '../data/tokenizer'
import type { TrainingDisplay } from '../display/training-progress'
import { logger } from '../logging'
import { CausalLM } from '../models/causal-lm'
import { checkObjective, type Objective } from '../models/objective'
import { object, optionalFunction, optionalObject, signal } from '../options/call'
import { knownNames, type Option, type OptionSet } from '../options/declaration'
import { parseOptions } from '../options/parse'
import { count, countOrNull, flag, optional, real, text } from '../options/schemas'
import { LoraConfig } from '../peft/config'
import { PeftModel } from '../peft/model'
import { sftOptionSet } from './sft-options'
import { SFTConfig, TrainingArguments } from './arguments'
import { checkCallback, type TrainerCallback } from './callbacks'
import type {
  ParsedSFTTrainerOptions,
  ParsedTrainOptions,
  SFTInit,
  SFTOptions,
  SFTTrainerOptions,
  TrainOptions,
} from './options.generated'

const fromTokenizer = 'a tokenizer from AutoTokenizer.from_pretrained'
const isTokenizer = (value: unknown): boolean => value instanceof PreTrainedTokenizer
const isData = (value: unknown): boolean => value instanceof Dataset
const isModel = (value: unknown): boolean => value instanceof CausalLM || value instanceof PeftModel

const oneDataset = "one Dataset, such as dict.get('train') of what load_dataset returns"
const oldPlace = 'Old place of the option of this name of SFTConfig.'

/** An option of SFTConfig where TRL's older trainers took it. */
function moved<K extends keyof SFTOptions>(name: K): Option<SFTOptions[K] | undefined> {
  const { schema, type } = sftOptionSet.options[name] as unknown as Option<SFTOptions[K]>
  return { schema: optional(schema), default: undefined, doc: oldPlace, ...(type && { type }) }
}

/** What the constructor of SFTTrainer takes, with TRL's names. */
export const sftTrainerOptionSet: OptionSet<ParsedSFTTrainerOptions> = {
  owner: 'SFTTrainer',
  options: {
    model: {
      ...object<CausalLM | PeftModel>(
        'CausalLM | PeftModel',
        'a model from AutoModelForCausalLM.from_pretrained',
        isModel,
        'The model; with peft_config an adapter is put on it, else it has one already.',
      ),
      default: undefined as never,
      required: true,
    },
    args: optionalObject<TrainingArguments>(
      'TrainingArguments',
      'an SFTConfig or TrainingArguments',
      (value) => value instanceof TrainingArguments,
      'Settings of the run: an SFTConfig, or TrainingArguments, which keep their own defaults.',
    ),
    train_dataset: {
      ...object<Dataset>('Dataset', oneDataset, isData, 'Rows to learn from.'),
      default: undefined as never,
      required: true,
    },
    eval_dataset: {
      ...object<Dataset | null>(
        'Dataset | null',
        `${oneDataset}, or null`,
        (value) => value === null || isData(value),
        'Rows to evaluate on.',
      ),
      default: null,
    },
    processing_class: optionalObject<PreTrainedTokenizer>(
      'PreTrainedTokenizer',
      fromTokenizer,
      isTokenizer,
      'The tokenizer of the model.',
    ),
    tokenizer: optionalObject<PreTrainedTokenizer>(
      'PreTrainedTokenizer',
      fromTokenizer,
      isTokenizer,
      'Old spelling of processing_class.',
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
    formatting_func: optionalFunction<(row: Row) => string | Promise<string>>(
      '(row: Row) => string | Promise<string>',
      'Makes the text of a row; dataset_text_field is then not read.',
    ),
    objective: {
      ...object<Objective | undefined>(
        'Objective',
        'a function (logps, batch) => ({ loss, dlogps }), or an object with loss, loss_type, label_smoothing_factor or token_weights',
        (value) => typeof value === 'function' || (typeof value === 'object' && value !== null),
        'The loss (ours): a function of the log-probabilities of the targets, or one that the device computes. By default what loss_type and label_smoothing_factor say.',
      ),
      default: undefined,
    },
    callbacks: {
      schema: z.custom<TrainerCallback[]>(Array.isArray).describe('a list of callbacks'),
      default: [],
      type: 'TrainerCallback[]',
      doc: 'Objects whose methods are called while the run goes on: on_train_begin, on_step_end, on_log ...',
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
      'Where progress is shown (ours); by default in the notebook or terminal that this runs in.',
    ),
  },
  refused: {
    compute_loss_func: {
      default: null,
      reason: 'whole logits never exist here; give a loss of log-probabilities as objective.',
    },
    compute_metrics: {
      default: null,
      reason: 'evaluation reports loss, accuracy and entropy of the tokens.',
    },
    data_collator: { default: null, reason: 'rows are put together without padding here.' },
    model_init: { default: null, reason: 'load the model and pass it.' },
    optimizer_cls_and_kwargs: { default: null, reason: 'choose an optimizer with optim of SFTConfig.' },
    optimizers: {
      default: [null, null],
      reason: 'choose an optimizer and a schedule with optim and lr_scheduler_type of SFTConfig.',
    },
    preprocess_logits_for_metrics: { default: null, reason: 'evaluation keeps no logits.' },
    quantization_config: {
      default: null,
      reason: 'give it to AutoModelForCausalLM.from_pretrained.',
    },
    neftune_noise_alpha: { default: null, neutral: [0], reason: 'noise on embeddings is not built.' },
  },
}

/** What `train()` takes. */
export const trainOptionSet: OptionSet<ParsedTrainOptions> = {
  owner: 'SFTTrainer.train',
  options: {
    resume_from_checkpoint: {
      schema: z
        .union([z.boolean(), z.string()])
        .nullable()
        .describe('the folder of a checkpoint, true, false or null'),
      default: null,
      doc: 'Folder of a checkpoint, or true for the newest whole one in output_dir: the run continues from there with the same bits, given the model, data and settings it was made with. null: a stopped run continues; false: a new run begins.',
    },
    signal: { ...signal, doc: 'Aborted, it stops the run at the next step boundary.' },
  },
  refused: {
    ignore_keys_for_eval: { default: null, reason: 'evaluation keeps no predictions.' },
    trial: { default: null, reason: 'there is no search for hyperparameters.' },
  },
}

/** TRL's SFTTrainer of the tutorial's time read `max_seq_length: null` as this, silently. */
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
 * Settles which of several spellings counts. A plain TrainingArguments keeps its own values (bf16, gradient_checkpointing,
 * learning rate); SFTConfig brings TRL's.
 */
export function trainerOptions(given: SFTTrainerOptions): ParsedSFTTrainerOptions & {
  args: SFTConfig
  processing_class: PreTrainedTokenizer
} {
  const options = parseOptions(sftTrainerOptionSet, given)
  options.callbacks.forEach(checkCallback)
  const processing_class = options.processing_class ?? options.tokenizer
  if (!processing_class) throw new TypeError('[SFTTrainer] processing_class (or tokenizer) is missing')
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
  if (args.eos_token !== null) processing_class.eos_token = args.eos_token
  if (args.pad_token !== null) processing_class.pad_token = args.pad_token
  const train_dataset = args.shuffle_dataset
    ? options.train_dataset.shuffle({ seed: args.seed })
    : options.train_dataset
  return {
    ...options,
    args,
    train_dataset,
    processing_class,
    objective: objectiveOf(options.objective, args),
  }
}

/** What an instance of a user's subclass has besides is the script's own. */
function optionsOf(args: TrainingArguments | undefined): SFTInit {
  const known = new Set(knownNames(sftOptionSet))
  return Object.fromEntries(Object.entries(args ?? {}).filter(([name]) => known.has(name))) as SFTInit
}

/** The one loss that the options name. */
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

/** @throws TypeError on an unknown name or a wrong value. */
export function trainOptions(given: TrainOptions): ParsedTrainOptions {
  return parseOptions(trainOptionSet, given)
}
