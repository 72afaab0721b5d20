import type { OptionSet } from '../options/declaration'
import { optionsToDict, parseOptions } from '../options/parse'
import { loraOptionSet } from './options'
import type { LoraInit, LoraOptions } from './options.generated'

export type { LoraInit } from './options.generated'

export interface LoraConfig extends LoraOptions {}

/** Numbers of the update: null in a file is a fault of it. */
const decisive = new Set(['r', 'lora_alpha', 'lora_dropout'])
/** Fields of a file that say how the adapter began or where Python finds its classes: nothing that loading needs. */
const withoutEffect = new Set([
  ...['auto_mapping', 'eva_config', 'lora_ga_config', 'corda_config', 'loftq_config'],
  ...['runtime_config', 'megatron_config', 'megatron_core', 'qalora_group_size'],
])
/** Starts that choose A and B alone; the other named ones change the base weights too, also when a file is loaded. */
const startsOfA = new Set(['orthogonal', 'eva', 'lora_ga', 'mica'])

/**
 * LoRA settings with the names and defaults of PEFT: `y = W x + scale * B A dropout(x)`, A (r, inputs), B (outputs, r),
 * `scale = lora_alpha / r`.
 *
 * Throws `TypeError` on an unknown name, a wrong value, a combination PEFT rejects, and an option this version refuses.
 */
export class LoraConfig {
  static readonly options: OptionSet<LoraOptions> = loraOptionSet

  constructor(init: LoraInit = {}) {
    Object.assign(this, parseOptions(loraOptionSet, init))
    this.#check()
  }

  #check(): void {
    const byText = typeof this.target_modules === 'string'
    const all = (pattern: unknown): boolean =>
      pattern === null || (Array.isArray(pattern) && pattern.length === 0)
    if (byText && this.layers_to_transform !== null) {
      throw new TypeError(
        "[LoraConfig] layers_to_transform needs a list in target_modules, not a regular expression or 'all-linear'",
      )
    }
    if (byText && this.layers_pattern !== null) {
      throw new TypeError(
        "[LoraConfig] layers_pattern needs a list in target_modules, not a regular expression or 'all-linear'",
      )
    }
    if (!all(this.layers_pattern) && this.layers_to_transform === null) {
      throw new TypeError('[LoraConfig] layers_pattern needs layers_to_transform')
    }
  }

  /** Contents of adapter_config.json: every field of PEFT, keys sorted, lists of module names sorted. */
  to_dict(): Record<string, unknown> {
    const dict = optionsToDict(loraOptionSet, this)
    // PEFT never saves it: it says where to compute, not what.
    delete dict['runtime_config']
    // PEFT holds these as sets; sorted, equal settings give equal files.
    for (const name of ['target_modules', 'exclude_modules']) {
      const list = dict[name]
      if (Array.isArray(list)) list.sort()
    }
    return dict
  }

  to_json_string(): string {
    return JSON.stringify(this.to_dict(), null, 2)
  }

  /** Reads adapter_config.json. Fields this version never heard of are skipped; known ones it cannot honour throw. */
  static from_dict(dict: Record<string, unknown>): LoraConfig {
    const set = Object.fromEntries(
      Object.entries(dict).filter(
        // Null in a file stands for "not set", also where PEFT's default is something else.
        ([name, value]) => (value !== null || decisive.has(name)) && !withoutEffect.has(name),
      ),
    )
    const start = set['init_lora_weights']
    if (typeof start === 'string' && startsOfA.has(start)) set['init_lora_weights'] = true
    return new LoraConfig(parseOptions(loraOptionSet, set, { unknown: 'ignore' }))
  }
}
