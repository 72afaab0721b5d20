import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { tokenizerOf } from '../generation/pipeline'
import { ggufOptionSet, mergedOptionSet } from '../export/options'
import { saveStreamedGguf, saveStreamedMerged } from '../export/save-methods'
import type { OptionSet } from '../options/declaration'
import { parseOptions } from '../options/parse'
import { text } from '../options/schemas'
import { ADAPTER_CONFIG } from '../peft/save'
import { loadSet, readCommand } from './arguments'
import type { Terminal } from './chat'
import { loadModel } from './load-model'

const outputSet: OptionSet<{ output_dir: string }> = {
  owner: 'output',
  options: {
    output_dir: { schema: text, default: '', required: true, doc: 'Folder that the files are written to.' },
  },
  refused: {},
}

const notOnCommandLine = new Set(['signal', 'progress', 'quantization_config'])

/**
 * The library call's options that are data. For an adapter, the default is to use the original weights, which
 * need no model in memory.
 */
function commandSet(set: OptionSet<object>, owner: string): OptionSet<object> {
  const entries = Object.entries(set.options as OptionSet<Record<string, unknown>>['options'])
    .filter(([name]) => !notOnCommandLine.has(name) && name !== 'dtype')
    .map(([name, option]) => [name, name === 'base_weights' ? { ...option, default: 'original' } : option])
  return { owner, options: Object.fromEntries(entries) as OptionSet<object>['options'], refused: {} }
}

const mergeSet = commandSet(mergedOptionSet, 'merge')
const exportSet = commandSet(ggufOptionSet, 'export')

/** `qlora merge FOLDER --output_dir OUT`: `save_pretrained_merged` of an adapter's folder or a model's. */
export async function mergeCommand(args: readonly string[], { output }: Terminal): Promise<number> {
  const call = await read('qlora merge FOLDER --output_dir OUT [options]', args, mergeSet)
  const options = { ...call.options, ...(call.dtype !== 'auto' && { dtype: call.dtype }) }
  if (call.streams)
    await saveStreamedMerged(call.folder, call.out, await tokenizerOf(call.folder), options as never)
  else {
    const { model, tokenizer } = await loadModel(call.folder, call.loading)
    try {
      await model.save_pretrained_merged(call.out, tokenizer, options as never)
    } finally {
      model.dispose()
    }
  }
  output.write(`${call.out}\n`)
  return 0
}

/** `qlora export FOLDER --output_dir OUT`: `save_pretrained_gguf` of an adapter's folder or a model's. */
export async function exportCommand(args: readonly string[], { output }: Terminal): Promise<number> {
  const call = await read('qlora export FOLDER --output_dir OUT [options]', args, exportSet)
  if (call.streams) {
    const tokenizer = await tokenizerOf(call.folder)
    for (const path of await saveStreamedGguf(
      call.folder,
      call.out,
      tokenizer,
      call.options,
      call.dtype as never,
    ))
      output.write(`${path}\n`)
    return 0
  }
  const { model, tokenizer } = await loadModel(call.folder, call.loading)
  try {
    for (const path of await model.save_pretrained_gguf(call.out, tokenizer, call.options))
      output.write(`${path}\n`)
  } finally {
    model.dispose()
  }
  return 0
}

interface Call {
  folder: string
  out: string
  options: Record<string, unknown>
  loading: Record<string, unknown>
  dtype: string
  /** Whether the base's checkpoint is read while the result is written. */
  streams: boolean
}

async function read(usage: string, args: readonly string[], set: OptionSet<object>): Promise<Call> {
  const { folder, given } = readCommand(usage, args, [outputSet, set, loadSet])
  const [out, options, loading] = given as [
    { output_dir: string },
    Record<string, unknown>,
    Record<string, unknown>,
  ]
  parseOptions(outputSet, out)
  const isAdapter = await stat(join(folder, ADAPTER_CONFIG)).then(
    () => true,
    () => false,
  )
  const { base_weights, save_method } = parseOptions(set, options) as Record<string, unknown>
  const streams =
    isAdapter && base_weights === 'original' && save_method !== 'lora' && !loading['load_in_4bit']
  const dtype = typeof loading['dtype'] === 'string' ? loading['dtype'] : 'auto'
  return {
    folder,
    out: out.output_dir,
    options: { ...options, base_weights: isAdapter ? base_weights : 'dequantized' },
    loading,
    dtype,
    streams,
  }
}
