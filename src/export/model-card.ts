import type { Option, OptionSet } from '../options/declaration'
import { optionTable } from '../options/declaration'
import { isDeepStrictEqual } from 'node:util'
import type { LoraConfig } from '../peft/config'

/** Facts about the training, for a model card. */
export interface TrainingFacts {
  /** The options and their declarations; those that differ from their default are listed. */
  arguments: { set: OptionSet<object>; values: object }
  log_history: readonly Readonly<Record<string, number>>[]
  /** null: a stream, whose rows and epochs nobody counts. */
  rows: number | null
  columns: readonly string[] | null
  dataset_name?: string | undefined
  steps: number
  epochs: number
  tokens: number
  /** Names and versions. */
  versions: Readonly<Record<string, string>>
}

export interface CardFacts {
  title: string
  base: string
  library: 'peft' | 'transformers'
  /** An adapter in the folder, or merged into the weights. */
  adapter?: LoraConfig | undefined
  merged?: boolean | undefined
  training?: TrainingFacts | undefined
  tags?: readonly string[] | undefined
}

/** The README.md of a model: the hub's header, and how the model was made. */
export function modelCard(facts: CardFacts): string {
  const { title, base, library, adapter, training } = facts
  const relation = library === 'peft' ? 'adapter' : 'finetune'
  const tags = [
    `base_model:${relation}:${base}`,
    ...(adapter ? ['lora', 'qlora'] : []),
    ...(facts.tags ?? []),
  ]
  const header = [
    ...(base ? [`base_model: ${yamlText(base)}`] : []),
    `library_name: ${library}`,
    'pipeline_tag: text-generation',
    ...(training?.dataset_name ? ['datasets:', `- ${yamlText(training.dataset_name)}`] : []),
    'tags:',
    ...[...new Set(tags)].map((tag) => `- ${yamlText(tag)}`),
  ]
  const parts = [`---\n${header.join('\n')}\n---`, `# ${title}`, madeOf(facts)]
  parts.push(`\`\`\`python\n${usage(library)}\n\`\`\``)
  if (training) parts.push(...trainingParts(training))
  return `${parts.join('\n\n')}\n`
}

function madeOf({ base, adapter, merged }: CardFacts): string {
  if (!adapter) return `Weights of ${base || 'a model'}, written by qlora.`
  const scale = adapter.use_rslora ? 'alpha / sqrt(r)' : 'alpha / r'
  const what = merged ? `${base} with a LoRA adapter merged into its weights` : `A LoRA adapter for ${base}`
  const dora = adapter.use_dora ? ', DoRA' : ''
  return `${what}. Trained with qlora. Rank ${adapter.r}, alpha ${adapter.lora_alpha} (scale ${scale}), dropout ${adapter.lora_dropout}${dora}.`
}

function usage(library: CardFacts['library']): string {
  return library === 'peft'
    ? 'from peft import PeftModel\nmodel = PeftModel.from_pretrained(base_model, "this folder")'
    : 'from transformers import AutoModelForCausalLM\nmodel = AutoModelForCausalLM.from_pretrained("this folder")'
}

function trainingParts(training: TrainingFacts): string[] {
  const { rows, columns, dataset_name, steps, epochs, tokens } = training
  const name = dataset_name ? `${dataset_name}: ` : ''
  const of = columns ? ` (columns ${columns.join(', ')})` : ''
  const passes = rows === null ? '' : `${Number(epochs.toFixed(3))} epochs, `
  const data = `${name}${rows === null ? 'a stream' : `${rows} rows`}${of}, ${steps} steps, ${passes}${tokens} tokens.`
  const { set, values } = training.arguments
  const changed = Object.entries(optionTable(set)).filter(([key, option]) => isChanged(option, values, key))
  const held = values as Record<string, unknown>
  const args = changed.map(([key]): [string, string] => [key, JSON.stringify(held[key]) ?? ''])
  return [
    `## Data\n\n${data}`,
    `## Arguments\n\nThose that are not at their default:\n\n${table(['argument', 'value'], args)}`,
    `## Losses\n\n${losses(training.log_history)}`,
    `## Versions\n\n${table(['what', 'version'], Object.entries(training.versions))}`,
  ]
}

function isChanged(option: Option<unknown>, values: object, key: string): boolean {
  const value = (values as Record<string, unknown>)[key]
  // Paths and names describe the machine, not the model.
  if (['output_dir', 'run_name', 'logging_dir', 'hub_token'].includes(key)) return false
  return !isDeepStrictEqual(value, option.default) && typeof value !== 'function'
}

/** At most twenty rows with a loss, evenly distributed and including the last, and every evaluation. */
function losses(history: TrainingFacts['log_history']): string {
  const rows = history.filter((row) => 'loss' in row || 'eval_loss' in row)
  const train = rows.filter((row) => 'loss' in row)
  const step = Math.max(1, Math.ceil(train.length / 20))
  const shown = new Set(train.filter((_, i) => (train.length - 1 - i) % step === 0))
  const figure = (value: number | undefined): string =>
    value === undefined ? '' : String(Number(value.toPrecision(5)))
  const cells = rows
    .filter((row) => shown.has(row) || 'eval_loss' in row)
    .map((row) => [figure(row['step']), figure(row['epoch']), figure(row['loss']), figure(row['eval_loss'])])
  return cells.length > 0 ? table(['step', 'epoch', 'loss', 'eval_loss'], cells) : 'None were logged.'
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/** Unchanged if YAML reads it as a text, else quoted. */
function yamlText(value: string): string {
  return /^[\w./][\w./:-]*$/.test(value) && !/^[\d.]+$|: |:$/.test(value) ? value : JSON.stringify(value)
}
