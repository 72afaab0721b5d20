import { z } from 'zod'
import type { HubOptions } from '../files/hub'
import { rankPlace } from '../distributed/environment'
import { logger } from '../logging'
import { optionalFunction, type Progress, signal } from '../options/call'
import { type Option, type OptionSet, renamed } from '../options/declaration'
import { parseOptions } from '../options/parse'
import { givenHubSettings, hubSettings } from '../options/hub'
import { dtypeInput, flag, text, textOrNull } from '../options/schemas'
import { BitsAndBytesConfig } from '../quantization/config'
import { cuda, openCuda } from '../tensor/cuda'
import type { ParsedPretrainedOptions, PretrainedOptions } from './options.generated'
import { inertPretrainedOptions } from './pretrained-inert'

export type { PretrainedOptions } from './options.generated'

const dtypes = `'auto' | ${dtypeInput(['float32', 'bfloat16', 'float16'])} | (string & {})`.replace(
  ' | null',
  '',
)

export const bitsAndBytesOrNull: z.ZodType<BitsAndBytesConfig | null> = z
  .custom<BitsAndBytesConfig | null>(
    (v) => v === null || (v as BitsAndBytesConfig).quant_method === 'bitsandbytes',
  )
  .describe('a BitsAndBytesConfig or null')

/**
 * The options of `from_pretrained` for configs and models, with transformers' names; `owner` begins the
 * messages.
 */
export function pretrainedOptionSet(owner: string): OptionSet<ParsedPretrainedOptions> {
  return {
    owner,
    options: {
      quantization_config: {
        schema: bitsAndBytesOrNull,
        default: null,
        type: 'BitsAndBytesConfig | null',
        doc: 'How to quantize the linear layers to 4 bits while they are read; null: not at all. A checkpoint that is already quantized keeps its own settings.',
      },
      dtype: {
        schema: text,
        input: dtypes,
        default: 'auto',
        doc: "Dtype of everything that is not quantized; 'auto': that of the checkpoint, float32 for GGUF.",
        aliases: { torch_dtype: renamed },
      },
      device_map: {
        schema: z.union([z.string(), z.record(z.string(), z.union([z.int(), z.string()]))]).nullable(),
        input: "'auto' | 'cpu' | 'cuda' | (string & {}) | Record<string, number | string> | null",
        default: null,
        doc: "The one device of the whole model: { '': 0 } or 'cuda:0' is the first GPU, 'auto' a GPU if there is one; null: the CPU.",
      },
      gguf_file: {
        schema: textOrNull,
        default: null,
        doc: 'A GGUF file of the folder or repository to read; null: config.json and safetensors.',
      },
      ...hubSettings,
      load_in_4bit: inShort('load_in_4bit'),
      load_in_8bit: inShort('load_in_8bit'),
      progress: optionalFunction<Progress>(
        '(done: number, total: number) => void',
        'Called after each tensor with the number of tensors read and the total.',
      ),
      signal,
      ...inertPretrainedOptions,
    },
    refused: {
      offload_state_dict: { default: null, neutral: [false], reason: 'the whole model is on one device.' },
    },
  }
}

/** Checks the options of `owner`; those of the hub are returned as HubOptions. */
export function pretrainedOptions(
  owner: string,
  options: PretrainedOptions,
): {
  quantization_config: BitsAndBytesConfig | undefined
  dtype: string
  device: string
  gguf_file: string | undefined
  hub: HubOptions
  progress: Progress | undefined
  signal: AbortSignal | undefined
} {
  const o = parseOptions(pretrainedOptionSet(owner), options)
  return {
    quantization_config: quantizationOf(owner, o),
    dtype: o.dtype,
    device: deviceOf(o.device_map),
    gguf_file: o.gguf_file ?? undefined,
    hub: { ...givenHubSettings(o), signal: o.signal },
    progress: o.progress,
    signal: o.signal,
  }
}

type InShort = 'load_in_4bit' | 'load_in_8bit'

function inShort(name: InShort): Option<boolean> {
  return {
    schema: flag,
    default: false,
    doc: `Short for quantization_config: new BitsAndBytesConfig({ ${name}: true }); together with a configuration the two must agree.`,
  }
}

/** @throws TypeError when a short form contradicts the configuration. */
function quantizationOf(owner: string, o: ParsedPretrainedOptions): BitsAndBytesConfig | undefined {
  const config = o.quantization_config ?? undefined
  const short = (['load_in_4bit', 'load_in_8bit'] as const).filter((name) => o[name])
  if (short.length === 2)
    throw new TypeError(`[${owner}] load_in_4bit = true and load_in_8bit = true; give one`)
  const [name] = short
  if (!name) return config
  if (config && !config[name])
    throw new TypeError(`[${owner}] ${name} = true, and quantization_config has ${name} = false; give one`)
  return config ?? new BitsAndBytesConfig({ [name]: true })
}

/**
 * The one device of a model: null is the CPU, 'auto' a GPU if there is one. A map that names a missing GPU
 * gives the CPU with a warning, so that the tutorial's cell runs on any machine.
 */
function deviceOf(map: ParsedPretrainedOptions['device_map']): string {
  const wanted = typeof map === 'object' && map !== null ? Object.values(map) : [map ?? 'cpu']
  if (new Set(wanted).size > 1)
    throw new TypeError('device_map: a model is on one device; give { "": device }')
  const device = wanted[0] ?? 'cpu'
  if (device === 'cpu') return 'cpu'
  if (device === 'auto') return cuda.is_available() ? `cuda:${rankPlace()?.localRank ?? 0}` : 'cpu'
  const gpu =
    typeof device === 'number'
      ? device
      : Number(/^cuda(?::(\d+))?$/.exec(device)?.[1] ?? (device === 'cuda' ? 0 : NaN))
  if (Number.isNaN(gpu))
    throw new TypeError(`device_map: unknown device '${device}'; known: auto, cpu, cuda:0, 0`)
  const opened = openCuda(gpu)
  if (!(opened instanceof Error)) return opened.name
  logger.warning(`device_map asks for GPU ${gpu}, the model is on the CPU: ${opened.message}`)
  return 'cpu'
}
