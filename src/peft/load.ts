import { join } from 'node:path'
import { resolve_file, type HubOptions } from '../files/hub'
import { parseJsonObject } from '../files/json'
import { SafetensorsFile, type TensorInfo } from '../files/safetensors'
import type { CausalLM, LinearSlot } from '../models/causal-lm'
import type { Embedding } from '../nn/embedding'
import { Linear } from '../nn/linear'
import { baseLayer } from '../nn/lora'
import { namingFile } from '../files/naming'
import { readTextFile } from '../files/text'
import type { Parameter } from '../nn/parameter'
import { fromSafetensorsDType, isFloat, type FloatDType } from '../tensor/dtype'
import { copy } from '../tensor/ops'
import { FiniteCheck } from '../tensor/finite-check'
import { readTensor } from '../tensor/safetensors'
import type { Tensor } from '../tensor/tensor'
import { Generator } from '../tensor/random'
import { adapterOptions, type AdapterOptions } from './adapter-options'
import { LoraConfig } from './config'
import { injectAdapter, type Injection } from './inject'
import { KEY_PREFIX, rowsKey } from './keys'
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS } from './save'

/** Loads an adapter folder onto a model. */
export async function loadAdapter(
  model: CausalLM,
  source: string,
  options: AdapterOptions,
): Promise<{ config: LoraConfig; injection: Injection; adapter_name: string }> {
  const { autocast_adapter_dtype, adapter_name, hub } = adapterOptions(options)
  const { path: configPath, fields } = await readConfig(source, hub)
  const config = await namingFile(configPath, () => LoraConfig.from_dict(fields))
  const path = await resolve_file(source, ADAPTER_WEIGHTS, hub)
  if (!path) throw new Error(`${source}: has no ${ADAPTER_WEIGHTS}`)
  const file = await SafetensorsFile.open(path)
  try {
    const dtype = autocast_adapter_dtype ? 'float32' : storedDType(file)
    const inject = (): Injection => injectAdapter(model, config, dtype, new Generator(0))
    const injection = await namingFile(configPath, inject)
    try {
      await fillParameters(injection.parameters, file, model)
    } catch (error) {
      injection.remove()
      throw error
    }
    return { config, injection, adapter_name }
  } finally {
    await file.close()
  }
}

async function readConfig(
  source: string,
  hub: HubOptions,
): Promise<{ path: string; fields: Record<string, unknown> }> {
  const path = await resolve_file(source, ADAPTER_CONFIG, hub)
  if (!path) throw new Error(`${source}: has no ${ADAPTER_CONFIG}; is it an adapter?`)
  return { path, fields: parseJsonObject(path, await readTextFile(path)) }
}

function storedDType(file: SafetensorsFile): FloatDType {
  const first = [...file.tensors.values()][0]
  const dtype = first ? fromSafetensorsDType(first.dtype) : 'float32'
  if (!isFloat(dtype)) throw new Error(`${file.path}: '${first!.name}' is ${dtype}; expected a float dtype`)
  return dtype
}

/**
 * Reads the weights of an adapter's folder into parameters with the same names and shapes. @throws Error naming
 * what does not fit.
 */
export async function readAdapterWeights(
  folder: string,
  parameters: Parameter[],
  model: CausalLM,
): Promise<void> {
  const file = await SafetensorsFile.open(join(folder, ADAPTER_WEIGHTS))
  try {
    await fillParameters(parameters, file, model)
  } finally {
    await file.close()
  }
}

async function fillParameters(
  parameters: Parameter[],
  file: SafetensorsFile,
  model: CausalLM,
): Promise<void> {
  const unused = new Set(file.tensors.keys())
  const finite = new FiniteCheck()
  for (const { name, data } of parameters) {
    const info = file.tensors.get(name)
    if (!info) throw new Error(`${file.path}: has no '${name}', which its ${ADAPTER_CONFIG} asks for`)
    if (info.shape.join() !== data.shape.join()) {
      throw new Error(
        `${file.path}: '${name}' has shape (${info.shape.join(', ')}); the model needs (${data.shape.join(', ')})`,
      )
    }
    unused.delete(name)
    const dtype = fromSafetensorsDType(info.dtype)
    if (!isFloat(dtype)) throw new Error(`${file.path}: '${name}' is ${dtype}; expected a float dtype`)
    using stored = await readTensor(info, data.device)
    finite.add(info, stored)
    copy(stored, data)
  }
  for (const [table, info] of frozenTables(model, file)) {
    if (!unused.delete(info.name)) continue
    using stored = await tableOf(file, info, table)
    finite.add(info, stored)
    copy(stored, table.weight)
    table.trainedRows?.capture()
  }
  const head = baseLayer(model.parts.lm_head)
  if (head instanceof Linear && head.trainedRows) unused.delete(rowsKey(head.name))
  await finite.finish()
  for (const slot of model.linearSlots()) {
    const key = `${KEY_PREFIX}${slot.name}.base_layer.weight`
    const info = file.tensors.get(key)
    if (!info) continue
    await checkSameBase(slot, info, file)
    unused.delete(key)
  }
  if (unused.size > 0)
    throw new Error(`${file.path}: the model has no place for '${[...unused].slice(0, 3).join("', '")}'`)
}

/** Embedding and head that a file has although they did not train: those of a model whose vocabulary was resized. */
function frozenTables(model: CausalLM, file: SafetensorsFile): [Embedding | Linear, TensorInfo][] {
  const { embed_tokens, lm_head } = model.parts
  const head = baseLayer(lm_head)
  return [embed_tokens, ...(head instanceof Linear ? [head] : [])].flatMap((table) =>
    ['', 'token_adapter.base_layer.'].flatMap((around): [Embedding | Linear, TensorInfo][] => {
      const info = file.tensors.get(`${KEY_PREFIX}${table.name}.${around}weight`)
      return info ? [[table, info]] : []
    }),
  )
}

async function tableOf(
  file: SafetensorsFile,
  info: TensorInfo,
  { name, weight }: Embedding | Linear,
): Promise<Tensor> {
  const [rows, cols] = info.shape
  if (cols === weight.cols && rows !== weight.rows)
    throw new Error(
      `${file.path}: '${name}' has ${rows} rows; the model has ${weight.rows}: call model.resize_token_embeddings(${rows}) first`,
    )
  if (cols !== weight.cols)
    throw new Error(
      `${file.path}: '${info.name}' has shape (${info.shape.join(', ')}); the model needs (${weight.shape.join(', ')})`,
    )
  return readTensor(info, weight.device)
}

/**
 * PEFT saves a head's frozen weight together with its adapter. It must be equal to the model's, up to rounding
 * to the model's dtype.
 * @throws Error when it differs.
 */
async function checkSameBase(slot: LinearSlot, info: TensorInfo, file: SafetensorsFile): Promise<void> {
  const base = baseLayer(slot.get())
  if (!(base instanceof Linear)) return
  const { weight } = base
  const isSame = info.shape.join() === weight.shape.join() && (await holdsSame(info, weight))
  if (isSame) return
  throw new Error(
    `${file.path}: '${info.name}' differs from the weight of '${slot.name}' in the model: the adapter was trained on ` +
      'another base; load it onto that one',
  )
}

async function holdsSame(info: TensorInfo, weight: Tensor): Promise<boolean> {
  using stored = await readTensor(info, weight.device)
  using converted = weight.device.empty(weight.shape, weight.dtype)
  copy(stored, converted)
  const [theirs, ours] = [await converted.data(), await weight.data()]
  return bytesOf(theirs).equals(bytesOf(ours))
}

function bytesOf(data: NodeJS.ArrayBufferView): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength)
}
