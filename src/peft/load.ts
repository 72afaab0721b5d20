import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { resolve_file, type HubOptions } from '../files/hub'
import { parseJson } from '../files/json'
import { SafetensorsFile } from '../files/safetensors'
import type { CausalLM } from '../models/causal-lm'
import type { Parameter } from '../nn/parameter'
import { fromSafetensorsDType, isFloat, type FloatDType } from '../tensor/dtype'
import { copy } from '../tensor/ops'
import { readTensor } from '../tensor/safetensors'
import { Generator } from '../tensor/random'
import { adapterOptions, type AdapterOptions } from './adapter-options'
import { LoraConfig } from './config'
import { injectAdapter, type Injection } from './inject'
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS } from './save'

/** Reads an adapter folder onto a model. */
export async function loadAdapter(
  model: CausalLM,
  source: string,
  options: AdapterOptions,
): Promise<{ config: LoraConfig; injection: Injection }> {
  const { autocast_adapter_dtype, hub } = adapterOptions(options)
  const config = LoraConfig.from_dict(await readConfig(source, hub))
  const path = await resolve_file(source, ADAPTER_WEIGHTS, hub)
  if (!path) throw new Error(`${source}: has no ${ADAPTER_WEIGHTS}`)
  const file = await SafetensorsFile.open(path)
  try {
    const dtype = autocast_adapter_dtype ? 'float32' : storedDType(file)
    const injection = injectAdapter(model, config, dtype, new Generator(0))
    try {
      await fillParameters(injection.parameters, file)
    } catch (error) {
      injection.remove()
      throw error
    }
    return { config, injection }
  } finally {
    await file.close()
  }
}

async function readConfig(source: string, hub: HubOptions): Promise<Record<string, unknown>> {
  const path = await resolve_file(source, ADAPTER_CONFIG, hub)
  if (!path) throw new Error(`${source}: has no ${ADAPTER_CONFIG}; is it an adapter?`)
  return parseJson(path, await readFile(path, 'utf8')) as Record<string, unknown>
}

function storedDType(file: SafetensorsFile): FloatDType {
  const first = [...file.tensors.values()][0]
  const dtype = first ? fromSafetensorsDType(first.dtype) : 'float32'
  if (!isFloat(dtype)) throw new Error(`${file.path}: '${first!.name}' is ${dtype}; expected a float dtype`)
  return dtype
}

/** Reads the weights of an adapter's folder into parameters of the same names and shapes. @throws Error naming what does not fit. */
export async function readAdapterWeights(folder: string, parameters: Parameter[]): Promise<void> {
  const file = await SafetensorsFile.open(join(folder, ADAPTER_WEIGHTS))
  try {
    await fillParameters(parameters, file)
  } finally {
    await file.close()
  }
}

async function fillParameters(parameters: Parameter[], file: SafetensorsFile): Promise<void> {
  const unused = new Set(file.tensors.keys())
  for (const { name, data } of parameters) {
    const info = file.tensors.get(name)
    if (!info) throw new Error(`${file.path}: has no '${name}', which its ${ADAPTER_CONFIG} asks for`)
    if (info.shape.join() !== data.shape.join()) {
      throw new Error(
        `${file.path}: '${name}' has shape (${info.shape.join(', ')}); the model needs (${data.shape.join(', ')})`,
      )
    }
    unused.delete(name)
    using stored = await readTensor(info, data.device)
    copy(stored, data)
  }
  if (unused.size > 0)
    throw new Error(`${file.path}: the model has no place for '${[...unused].slice(0, 3).join("', '")}'`)
}
