import type { OptionSet } from '../options/declaration'
import { optionsToDict, parseOptions } from '../options/parse'
import { loraOptionSet } from './options'
import type { LoraInit, LoraOptions } from './options.generated'

export type { LoraInit } from './options.generated'

export interface LoraConfig extends LoraOptions {}

/** Numbers that define the update: null in a file is an error. */
const decisive = new Set(['r', 'lora_alpha', 'lora_dropout'])
/** Fields of a file about the adapter's initialization or its Python classes; loading does not need them. */
const withoutEffect = new Set([
  ...['auto_mapping', 'eva_config', 'lora_ga_config', 'corda_config', 'loftq_config'],
  ...['runtime_config', 'megatron_config', 'megatron_core', 'qalora_group_size'],
])
/**
 * Initializations of only A and B. The other named ones also change the base weights, even when a file is
 * loaded.
 */
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

  /** The contents of adapter_config.json: every field of PEFT; keys and lists of module names are sorted. */
  to_dict(): Record<string, unknown> {
    const dict = optionsToDict(loraOptionSet, this)
    // PEFT never saves it: it says where to compute, not what.
    delete dict['runtime_config']
    // In PEFT these are sets; sorting them makes files of equal settings equal.
    for (const name of ['target_modules', 'exclude_modules']) {
      const list = dict[name]
      if (Array.isArray(list)) list.sort()
    }
    return dict
  }

  to_json_string(): string {
    return JSON.stringify(this.to_dict(), null, 2)
  }

  /** Reads adapter_config.json. Unknown fields are skipped; known fields that are not supported throw. */
  static from_dict(dict: Record<string, unknown>): LoraConfig {
    const set = Object.fromEntries(
      Object.entries(dict).filter(
        // Null in a file means "not set", even if PEFT's default is something else.
        ([name, value]) => (value !== null || decisive.has(name)) && !withoutEffect.has(name),
      ),
    )
    const start = set['init_lora_weights']
    if (typeof start === 'string' && startsOfA.has(start)) set['init_lora_weights'] = true
    return new LoraConfig(parseOptions(loraOptionSet, set, { unknown: 'ignore' }))
  }
}
