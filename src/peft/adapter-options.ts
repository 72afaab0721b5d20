import type { HubOptions } from '../files/hub'
import type { OptionSet } from '../options/declaration'
import { givenHubSettings, hubSettings, type HubSettings } from '../options/hub'
import { parseOptions } from '../options/parse'
import { count, flag, oneOf } from '../options/schemas'
import type { FloatDType } from '../tensor/dtype'

/** What `get_peft_model` takes besides model and config. */
export interface PeftOptions {
  /** Keep the adapter in float32 whatever the model's dtype. Default true, as in PEFT. */
  autocast_adapter_dtype?: boolean
  /** Dtype of the adapter; replaces `autocast_adapter_dtype`'s choice. */
  dtype?: FloatDType
  /** Of the adapter's random start. Default 0. */
  seed?: number
}

/** What `PeftModel.from_pretrained` takes besides model and source. */
export interface AdapterOptions extends Omit<HubOptions, 'repo_type'> {
  /** Widen 16-bit adapters to float32. Default true, as in PEFT. */
  autocast_adapter_dtype?: boolean
}

const autocast_adapter_dtype = { schema: flag, default: true, doc: 'Keep 16-bit adapters in float32.' }
const oneAdapter = { default: 'default', reason: 'a model carries one adapter.' }

export interface ParsedPeftOptions {
  autocast_adapter_dtype: boolean
  dtype: FloatDType | undefined
  seed: number
}

const peftOptionSet: OptionSet<ParsedPeftOptions> = {
  owner: 'get_peft_model',
  options: {
    autocast_adapter_dtype,
    dtype: {
      schema: oneOf('float32', 'bfloat16', 'float16'),
      default: undefined,
      doc: 'Dtype of the adapter.',
    },
    seed: { schema: count(0), default: 0, doc: "Of the adapter's random start." },
  },
  refused: { adapter_name: oneAdapter, mixed: { default: false, reason: oneAdapter.reason } },
}

interface ParsedAdapterOptions extends HubSettings {
  autocast_adapter_dtype: boolean
}

const adapterOptionSet: OptionSet<ParsedAdapterOptions> = {
  owner: 'PeftModel.from_pretrained',
  options: {
    autocast_adapter_dtype,
    ...hubSettings,
  },
  refused: {
    // Whether a loaded adapter learns is decided by who trains it.
    is_trainable: { default: false, neutral: [true], reason: 'a loaded adapter can always be trained.' },
    adapter_name: oneAdapter,
  },
}

/** @throws TypeError on an unknown name or a wrong value. */
export function peftOptions(options: PeftOptions): ParsedPeftOptions {
  return parseOptions(peftOptionSet, options)
}

/** @throws TypeError on an unknown name or a wrong value. */
export function adapterOptions(options: AdapterOptions): {
  autocast_adapter_dtype: boolean
  hub: HubOptions
} {
  const { signal, progress, ...rest } = options
  const o = parseOptions(adapterOptionSet, rest)
  const hub = { ...givenHubSettings(o), signal, progress }
  return { autocast_adapter_dtype: o.autocast_adapter_dtype, hub }
}
