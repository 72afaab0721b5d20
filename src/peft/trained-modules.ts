import type { CausalLM } from '../models/causal-lm'
import { Embedding } from '../nn/embedding'
import { Linear } from '../nn/linear'
import { baseLayer } from '../nn/lora'
import { Parameter } from '../nn/parameter'
import { TrainedRows } from '../nn/trained-rows'
import type { FloatDType } from '../tensor/dtype'
import { copy } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'
import type { LoraConfig } from './config'
import { KEY_PREFIX, rowsKey } from './keys'

/** What trains beside the adapter's pairs: a module as a whole (`modules_to_save`) or rows of one (`trainable_token_indices`). */
export interface TrainedModule {
  parameter: Parameter
  /** What is trained answers, or the original. */
  use(on: boolean): void
  /** What is trained, frozen, takes the original's place for good; `remove` does nothing then. */
  adopt(): void
  /** Puts the original back, where it is not in its place, and frees what is trained. */
  remove(isAttached: boolean): void
}

const EMBEDDING = 'embed_tokens'
const HEAD = 'lm_head'
type Table = typeof EMBEDDING | typeof HEAD

type Choice = Pick<LoraConfig, 'modules_to_save' | 'trainable_token_indices'>

/** Whether the embedding trains, in full or in part. */
export function trainsEmbedding(config: Choice): boolean {
  const rows = config.trainable_token_indices
  return savedTables(config).includes(EMBEDDING) || (rows !== null && rowsByTable(rows).has(EMBEDDING))
}

/** The rows of the module at `path` that train. */
export function trainedRowsOf({ trainable_token_indices: rows }: Choice, path: string): readonly number[] {
  const byTable = rows === null ? new Map<Table, readonly number[]>() : rowsByTable(rows)
  // A tied head has those of the embedding.
  const found = byTable.get(tableOf('trainable_token_indices', path)) ?? byTable.get(EMBEDDING)
  if (!found)
    throw new Error(
      `the adapter has trained rows of '${path}', which its trainable_token_indices does not name`,
    )
  return found
}

/** Makes what the configuration says; `dtype` is that of trained rows, a module as a whole keeps its own. @throws TypeError on a wrong name or row */
export function trainedModules(model: CausalLM, config: Choice, dtype: FloatDType): TrainedModule[] {
  const rows = rowsOf(model, config)
  const made: TrainedModule[] = []
  try {
    for (const table of savedTables(config))
      made.push(table === HEAD ? trainedHead(model) : trainedEmbedding(model))
    for (const [table, indices] of rows) made.push(trainedRows(model, table, indices, dtype))
  } catch (error) {
    for (const one of made) one.remove(true)
    throw error
  }
  return made
}

function tableOf(option: string, name: string): Table {
  if (name === HEAD) return HEAD
  if (name === EMBEDDING || name === `model.${EMBEDDING}`) return EMBEDDING
  throw new TypeError(`[LoraConfig] ${option}: '${name}' is not supported; supported: ${HEAD}, ${EMBEDDING}`)
}

function savedTables({ modules_to_save }: Choice): Table[] {
  return [...new Set((modules_to_save ?? []).map((name) => tableOf('modules_to_save', name)))]
}

function rowsByTable(rows: NonNullable<Choice['trainable_token_indices']>): Map<Table, readonly number[]> {
  const byName = Array.isArray(rows) ? { [EMBEDDING]: rows } : rows
  const entries = Object.entries(byName)
  return new Map(entries.map(([name, ids]) => [tableOf('trainable_token_indices', name), ids]))
}

function rowsOf(model: CausalLM, config: Choice): Map<Table, readonly number[]> {
  const { trainable_token_indices: given } = config
  if (given === null) return new Map()
  const fail = (what: string): never => {
    throw new TypeError(`[LoraConfig] trainable_token_indices: ${what}`)
  }
  const rows = rowsByTable(given)
  const vocab = model.config.vocab_size
  const saved = savedTables(config)
  for (const [table, ids] of rows) {
    if (saved.includes(table)) fail(`'${table}' trains in full already (modules_to_save); give one`)
    if (ids.length === 0) fail(`'${table}' has no rows`)
    if (new Set(ids).size < ids.length) fail(`a row of '${table}' is given twice`)
    const beyond = ids.find((id) => id >= vocab)
    if (beyond !== undefined)
      fail(
        `${beyond} is no token: the model's embedding ends at ${vocab - 1}, and resize_token_embeddings makes it longer`,
      )
  }
  const head = rows.get(HEAD)
  if (head && sharedHead(model)) {
    if (head.join() !== rows.get(EMBEDDING)?.join())
      fail(`the head is the embedding (tie_word_embeddings): give '${EMBEDDING}' the same rows`)
    rows.delete(HEAD)
  }
  return rows
}

/** The head, where its weight is the embedding's. */
function sharedHead({ parts }: CausalLM): Linear | undefined {
  const head = baseLayer(parts.lm_head)
  return head instanceof Linear && head.weight === parts.embed_tokens.weight ? head : undefined
}

function copyOf(tensor: Tensor): Tensor {
  const copied = tensor.device.empty(tensor.shape, tensor.dtype)
  copy(tensor, copied)
  return copied
}

function trainedHead(model: CausalLM): TrainedModule {
  const { parts } = model
  const head = parts.lm_head as Linear
  const trained = new Linear(head.name, copyOf(head.weight), head.bias)
  const parameter = new Parameter(`${KEY_PREFIX}${HEAD}.weight`, trained.weight)
  trained.trainedWeight = parameter
  return inPlaceOf({
    parameter,
    put: (on) => (parts.lm_head = on ? trained : head),
    freeze: () => {
      trained.trainedWeight = undefined
      // A tied head is the embedding, which lives on.
      if (head.weight !== parts.embed_tokens.weight) head.weight.dispose()
    },
  })
}

function trainedEmbedding(model: CausalLM): TrainedModule {
  const { parts } = model
  const embedding = parts.embed_tokens
  const trained = new Embedding(embedding.name, copyOf(embedding.weight), { scale: embedding.scale })
  const parameter = new Parameter(`${KEY_PREFIX}${embedding.name}.weight`, trained.weight)
  trained.trainedWeight = parameter
  return inPlaceOf({
    parameter,
    put: (on) => (parts.embed_tokens = on ? trained : embedding),
    freeze: () => {
      trained.trainedWeight = undefined
      const head = baseLayer(parts.lm_head)
      // A tied head keeps what the embedding was.
      if (!(head instanceof Linear && head.weight === embedding.weight)) embedding.weight.dispose()
    },
  })
}

function inPlaceOf(module: { parameter: Parameter; put(on: boolean): void; freeze(): void }): TrainedModule {
  const { parameter, put, freeze } = module
  let adopted = false
  put(true)
  return {
    parameter,
    use: put,
    adopt: () => {
      adopted = true
      parameter.zeroGrad()
      freeze()
    },
    remove: (isAttached) => {
      if (adopted) return
      if (isAttached) put(false)
      parameter.dispose()
    },
  }
}

function trainedRows(
  model: CausalLM,
  table: Table,
  indices: readonly number[],
  dtype: FloatDType,
): TrainedModule {
  const { parts } = model
  const owner = table === HEAD ? (baseLayer(parts.lm_head) as Linear) : parts.embed_tokens
  const sharing = table === EMBEDDING ? sharedHead(model) : undefined
  const data = owner.weight.device.empty([indices.length, owner.weight.cols], dtype)
  const rows = new TrainedRows(indices, new Parameter(rowsKey(owner.name), data), owner.weight)
  const use = (on: boolean): void => {
    owner.trainedRows = on ? rows : undefined
    if (sharing) sharing.trainedRows = owner.trainedRows
    if (!on) rows.restore()
  }
  let adopted = false
  use(true)
  return {
    parameter: rows.rows,
    use,
    adopt: () => {
      adopted = true
      use(false)
      using scope = data.device.scope()
      rows.write(scope)
      rows.dispose()
    },
    remove: (isAttached) => {
      if (adopted) return
      if (isAttached) use(false)
      rows.dispose()
    },
  }
}
