import type { PreTrainedTokenizer } from '../../data/tokenizer'
import type { OptionSet } from '../../options/declaration'
import { parseOptions } from '../../options/parse'
import type { TrainingArguments } from '../arguments'
import type { ParsedPreferenceTrainerOptions, PreferenceTrainerOptions } from './options.generated'
import { Dataset } from '../../data/dataset'
import { object } from '../../options/call'
import { setsOf } from '../evaluation-call'
import { sftTrainerOptionSet } from '../trainer-options'

const {
  model,
  eval_dataset,
  processing_class,
  tokenizer,
  peft_config,
  callbacks,
  display,
  optimizers,
  args,
} = sftTrainerOptionSet.options

/** The constructor options of the preference trainers, with TRL's names. */
export function preferenceTrainerOptionSet(owner: string): OptionSet<ParsedPreferenceTrainerOptions> {
  const config = owner.replace('Trainer', 'Config')
  const { compute_loss_func: _, ...refused } = sftTrainerOptionSet.refused
  return {
    owner,
    options: {
      ...{
        model,
        eval_dataset,
        processing_class,
        tokenizer,
        peft_config,
        callbacks,
        display,
        optimizers,
      },
      train_dataset: {
        ...object<Dataset>(
          'Dataset',
          'one Dataset: preference trainers do not read streams',
          (value) => value instanceof Dataset,
          'Rows to learn from.',
        ),
        default: undefined as never,
        required: true,
      },
      args: {
        ...args,
        doc: `Settings of the run: a ${config}, or TrainingArguments, which keep their own defaults.`,
      },
    },
    refused: {
      ...refused,
      ref_model: {
        default: null,
        reason:
          'the reference is the base model when peft_config is given, else the model with the adapter as it came. Other weights: precompute nothing here, train on their outputs.',
      },
      compute_metrics: {
        default: null,
        reason: 'evaluation reports rewards, which are not of single tokens.',
      },
      data_collator: { default: null, reason: 'rows are put together without padding here.' },
      quantization_config: {
        default: null,
        reason: 'give it to AutoModelForCausalLM.from_pretrained.',
      },
      formatting_func: { default: null, reason: 'map the data set to prompt, chosen and rejected.' },
    },
  }
}

/** The parsed options of a trainer, with its arguments as the trainer's own configuration class. */
export function preferenceOptions<A extends TrainingArguments>(
  owner: string,
  given: PreferenceTrainerOptions,
  config: new (init: never) => A,
): ParsedPreferenceTrainerOptions & { args: A; processing_class: PreTrainedTokenizer | undefined } {
  const options = parseOptions(preferenceTrainerOptionSet(owner), given)
  const processing_class = options.processing_class ?? options.tokenizer
  if (options.tokenizer && options.tokenizer !== processing_class)
    throw new TypeError(`[${owner}] processing_class and tokenizer are two different tokenizers; give one`)
  if ((options.args?.eval_strategy ?? 'no') !== 'no' && !options.eval_dataset)
    throw new TypeError(`[${owner}] eval_strategy is '${options.args?.eval_strategy}': give eval_dataset`)
  if (
    options.eval_dataset &&
    setsOf(options.eval_dataset).some(({ dataset }) => !(dataset instanceof Dataset))
  )
    throw new TypeError(
      `[${owner}] eval_dataset: preference trainers do not read streams; load the set whole`,
    )
  return { ...options, args: new config((options.args ?? {}) as never), processing_class }
}
