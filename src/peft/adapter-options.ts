import { z } from 'zod'
import type { DownloadProgress, HubOptions } from '../files/hub'
import { optionalFunction, signal } from '../options/call'
import type { Option, OptionSet } from '../options/declaration'
import { givenHubSettings, hubSettings } from '../options/hub'
import { parseOptions } from '../options/parse'
import { countOrNull, flag, oneOf } from '../options/schemas'
import type { FloatDType } from '../tensor/dtype'
import type {
  AdapterOptions,
  ParsedAdapterOptions,
  ParsedPeftOptions,
  PeftOptions,
} from './options.generated'

export type { AdapterOptions, PeftOptions } from './options.generated'

const adapterName: Option<string> = {
  schema: z.string().min(1),
  default: 'default',
  doc: 'Name of the adapter, for set_adapter.',
}

/** The options of `get_peft_model`, in addition to model and config. */
export const peftOptionSet: OptionSet<ParsedPeftOptions> = {
  owner: 'get_peft_model',
  options: {
    autocast_adapter_dtype: {
      schema: flag,
      default: true,
      doc: "Keep the adapter in float32, whatever the model's dtype.",
    },
    dtype: {
      schema: oneOf<FloatDType>('float32', 'bfloat16', 'float16'),
      default: undefined,
      doc: "Dtype of the adapter (ours); replaces autocast_adapter_dtype's choice.",
    },
    adapter_name: adapterName,
    seed: {
      schema: countOrNull(0),
      default: null,
      doc: "Seed of the adapter's random initialization (ours); null: that of set_seed, else 0.",
    },
  },
  refused: {
    mixed: { default: false, reason: 'there is one kind of adapter.' },
  },
}

/** The options of `PeftModel.from_pretrained`, in addition to model and source. */
export const adapterOptionSet: OptionSet<ParsedAdapterOptions> = {
  owner: 'PeftModel.from_pretrained',
  options: {
    autocast_adapter_dtype: { schema: flag, default: true, doc: 'Convert 16-bit adapters to float32.' },
    adapter_name: adapterName,
    ...hubSettings,
    progress: optionalFunction<DownloadProgress>(
      '(state: { filename: string; received: number; total: number }) => void',
      'Called while files are downloaded, with the bytes received and the total.',
    ),
    signal,
  },
  refused: {
    // Whether a loaded adapter is trained depends only on its use.
    is_trainable: { default: false, neutral: [true], reason: 'a loaded adapter can always be trained.' },
  },
}

/** @throws TypeError on an unknown name or a wrong value. */
export function peftOptions(options: PeftOptions): ParsedPeftOptions {
  return parseOptions(peftOptionSet, options)
}

/** @throws TypeError on an unknown name or a wrong value. */
export function adapterOptions(options: AdapterOptions): {
  autocast_adapter_dtype: boolean
  adapter_name: string
  hub: HubOptions
} {
  const o = parseOptions(adapterOptionSet, options)
  const hub = { ...givenHubSettings(o), signal: o.signal, progress: o.progress }
  return { autocast_adapter_dtype: o.autocast_adapter_dtype, adapter_name: o.adapter_name, hub }
}
