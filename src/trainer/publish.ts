import { join } from 'node:path'
import { writeFileAtomic } from '../files/atomic'
import { baseName } from '../export/save-gguf'
import { modelCard } from '../export/model-card'
import { publish } from '../export/publish'
import type { PushOptions } from '../export/options'
import { IterableDataset } from '../data/iterable-dataset'
import { checkNames } from '../options/parse'
import type { TrainingArguments } from './arguments'
import type { TrainingData } from './row-sets'
import type { Trainer } from './trainer'
import { versions } from './versions'

/** Options of `create_model_card`, with transformers' names. */
export interface ModelCardOptions {
  /** Heading. Default: the last part of output_dir. */
  model_name?: string
  /** The data set's name on the hub. */
  dataset_name?: string
  tags?: readonly string[]
}

/** Writes the README.md of a trainer's adapter: data, arguments, losses, versions. */
export async function writeTrainingCard(
  trainer: Trainer,
  dataset: TrainingData,
  folder: string,
  options: ModelCardOptions = {},
): Promise<void> {
  checkNames<ModelCardOptions>('create_model_card', options, ['model_name', 'dataset_name', 'tags'])
  const { model, args, state } = trainer
  const own = args.constructor as typeof TrainingArguments
  const card = modelCard({
    ...{
      title: options.model_name ?? baseName(args.output_dir),
      base: model.peft_config.base_model_name_or_path ?? '',
    },
    ...{ library: 'peft', adapter: model.peft_config, tags: options.tags },
    training: {
      ...{ arguments: { set: own.options, values: args }, log_history: state.log_history },
      ...{
        rows: dataset instanceof IterableDataset ? null : dataset.num_rows,
        columns: dataset.column_names,
        dataset_name: options.dataset_name,
      },
      ...{ steps: state.global_step, epochs: state.epoch, tokens: state.num_input_tokens_seen },
      versions: versions(),
    },
  })
  await writeFileAtomic(join(folder, 'README.md'), card)
}

/** Uploads the files that `save_model` writes. */
export function pushTrainer(
  trainer: Trainer,
  repo_id: string | undefined,
  options: PushOptions,
): Promise<string> {
  return publish(repo_id ?? baseName(trainer.args.output_dir), options, (folder) =>
    trainer.save_model(folder),
  )
}
