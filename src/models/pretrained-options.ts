import { z } from 'zod'
import type { HubOptions } from '../files/hub'
import { logger } from '../logging'
import type { OptionSet } from '../options/declaration'
import { parseOptions } from '../options/parse'
import { renamed } from '../options/declaration'
import { givenHubSettings, hubSettings, type HubSettings } from '../options/hub'
import type { BitsAndBytesConfig } from '../quantization/config'
import { cuda, openCuda } from '../tensor/cuda'

/** What `from_pretrained` of configs and models takes, with transformers' names. */
export interface PretrainedOptions {
  quantization_config?: BitsAndBytesConfig | null
  /** 'auto' (default): the checkpoint's own; or 'float32', 'bfloat16', 'float16', with or without `torch.`. */
  dtype?: string
  torch_dtype?: string
  /** `{ '': 0 }`, 'auto', 'cpu': the whole model on one device. */
  device_map?: Record<string, number | string> | string | null
  gguf_file?: string | null
  revision?: string | null
  token?: string | boolean | null
  cache_dir?: string | null
  local_files_only?: boolean
  trust_remote_code?: boolean
  /** Called after each tensor with how many are loaded. */
  progress?: (done: number, total: number) => void
  signal?: AbortSignal
}

interface ParsedOptions extends HubSettings {
  quantization_config: BitsAndBytesConfig | null
  dtype: string
  device_map: Record<string, number | string> | string | null
  gguf_file: string | null
  trust_remote_code: boolean
}

const text = z.string().nullable()

function optionSet(owner: string): OptionSet<ParsedOptions> {
  return {
    owner,
    options: {
      quantization_config: {
        schema: z
          .custom<BitsAndBytesConfig | null>(
            (v) => v === null || (v as BitsAndBytesConfig).quant_method === 'bitsandbytes',
          )
          .describe('a BitsAndBytesConfig or null'),
        default: null,
        doc: 'How to quantize the linear layers while loading.',
      },
      dtype: {
        schema: z.string(),
        default: 'auto',
        doc: "Dtype of what is not quantized; 'auto' is the checkpoint's own.",
        aliases: { torch_dtype: renamed },
      },
      device_map: {
        schema: z.union([z.string(), z.record(z.string(), z.union([z.int(), z.string()]))]).nullable(),
        default: null,
        doc: 'The one device of the whole model.',
      },
      gguf_file: { schema: text, default: null, doc: 'A GGUF file of the folder or repository to read.' },
      ...hubSettings,
      trust_remote_code: {
        schema: z.boolean(),
        default: false,
        doc: 'Accepted; no remote code is ever run.',
      },
    },
    refused: {
      attn_implementation: {
        default: null,
        neutral: ['eager', 'sdpa'],
        reason: 'there is one implementation of attention.',
      },
      load_in_4bit: {
        default: false,
        reason: 'give quantization_config: new BitsAndBytesConfig({ load_in_4bit: true }).',
      },
      load_in_8bit: { default: false, reason: 'LLM.int8 layers are not built yet.' },
      max_memory: { default: null, reason: 'the whole model is on one device.' },
      offload_folder: { default: null, reason: 'the whole model is on one device.' },
      low_cpu_mem_usage: { default: true, reason: 'tensors are always loaded one at a time.' },
    },
  }
}

/** Checks the options of `owner`; what belongs to the hub comes out as HubOptions. */
export function pretrainedOptions(
  owner: string,
  options: PretrainedOptions,
): {
  quantization_config: BitsAndBytesConfig | undefined
  dtype: string
  device: string
  gguf_file: string | undefined
  hub: HubOptions
  progress: PretrainedOptions['progress']
} {
  const { progress, signal, ...rest } = options
  const o = parseOptions(optionSet(owner), rest)
  if (o.trust_remote_code) logger.warning_once('trust_remote_code: no code of a model repository is ever run')
  return {
    quantization_config: o.quantization_config ?? undefined,
    dtype: o.dtype,
    device: deviceOf(o.device_map),
    gguf_file: o.gguf_file ?? undefined,
    hub: { ...givenHubSettings(o), signal },
    progress,
  }
}

/**
 * The one device of a model; null is the CPU, 'auto' a GPU where there is one. A map that asks for a GPU that is not there
 * gets the CPU with a warning, so that the article's cell runs anywhere.
 */
function deviceOf(map: ParsedOptions['device_map']): string {
  const wanted = typeof map === 'object' && map !== null ? Object.values(map) : [map ?? 'cpu']
  if (new Set(wanted).size > 1)
    throw new TypeError('device_map: a model is on one device; give { "": device }')
  const device = wanted[0] ?? 'cpu'
  if (device === 'cpu') return 'cpu'
  if (device === 'auto') return cuda.is_available() ? 'cuda:0' : 'cpu'
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
