import { DataCollatorForCompletionOnlyLM } from '../data/collators/completion-only'
import { isPlainCollator } from '../data/collators/plain'
import { collatedRows, type DataCollator } from '../data/collators/own'
import type { Dataset } from '../data/dataset'
import type { LabelledRow } from '../data/packing'
import { tokenizeDataset } from '../data/tokenize'
import type { TokenizeOptions } from '../data/tokenize-rows'
import type { SFTConfig } from './arguments'
import type { ParsedSFTTrainerOptions } from './options.generated'
import { lossSettings } from './run-settings'
import type { Subject } from './subject'
import type { RowsPart, TrainingTask } from './task'

/** Supervised fine-tuning: rows are texts or conversations; the loss is that of their tokens. */
export function sftTask(
  { model, tokenizer }: Subject,
  options: ParsedSFTTrainerOptions & { args: SFTConfig },
): TrainingTask {
  const { args, objective = {} } = options
  const collator = options.data_collator ?? undefined
  const encode = async (
    dataset: Dataset,
    split: string,
    signal: AbortSignal | undefined,
    part: RowsPart | undefined,
  ): Promise<LabelledRow[]> => {
    const tokenize: TokenizeOptions = {
      dataset_text_field: args.dataset_text_field,
      max_length: args.max_length,
      packing: split === 'train' ? args.packing : (args.eval_packing ?? args.packing),
      packing_strategy: args.packing_strategy,
      completion_only_loss: args.completion_only_loss,
      assistant_only_loss: args.assistant_only_loss,
      formatting_func: options.formatting_func,
      dataset_kwargs: args.dataset_kwargs,
      dataset_name: split,
      part,
      model: model.base_model.config,
    }
    const given = signal ? { ...tokenize, signal } : tokenize
    return (await tokenizeDataset(dataset, tokenizer, given)).rows
  }
  return {
    owner: 'SFTTrainer',
    objective,
    loss: lossSettings(objective),
    lossPer: 'target',
    dropout: true,
    rows: async (dataset, split, signal, part) => {
      if (!collator || isPlainCollator(collator)) return encode(dataset, split, signal, part)
      if (collator instanceof DataCollatorForCompletionOnlyLM)
        return collator.changeRows(await encode(dataset, split, signal, part))
      // As in transformers: a collator that needs columns the model does not read gets the rows unchanged.
      const isRaw = !args.remove_unused_columns || args.dataset_kwargs?.skip_prepare_dataset === true
      const rows = isRaw ? dataset.to_list() : (await encode(dataset, split, signal, part)).map(plainRow)
      return collatedRows(collator as DataCollator, rows, part?.from)
    },
  }
}

/** A row as Python's collators receive it. */
function plainRow({ input_ids, labels }: LabelledRow): Record<string, number[]> {
  return { input_ids: [...input_ids], labels: [...labels], attention_mask: [...input_ids].map(() => 1) }
}
