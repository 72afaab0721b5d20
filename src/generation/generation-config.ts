import { join } from 'node:path'
import { writeFileAtomic } from '../files/atomic'
import { resolve_file } from '../files/hub'
import { parseJsonObject } from '../files/json'
import { namingFile } from '../files/naming'
import { readTextFile } from '../files/text'
import { knownNames } from '../options/declaration'
import { givenHubSettings, hubSettings, type HubSettings } from '../options/hub'
import { parseOptions } from '../options/parse'
import { generateOptionSet, type GenerateOptions } from './options'

const FILE = 'generation_config.json'

/** Options of a call that a configuration cannot have. */
const callNames = [
  'signal',
  'streamer',
  'tokenizer',
  'past_key_values',
  'generation_config',
  'seed',
  'stopping_criteria',
  'logits_processor',
  'prefix_allowed_tokens_fn',
  'negative_prompt_ids',
  'negative_prompt_attention_mask',
  'prefill_chunk_size',
] as const

export type GenerationConfigInit = Omit<GenerateOptions, (typeof callNames)[number]>

export interface GenerationConfig extends GenerationConfigInit {}

/**
 * A set of options for `generate`, like transformers' GenerationConfig: `generate(inputs, { generation_config
 * })`. It contains only the given options; the others come from the model's generation_config.json, then from
 * `generate`'s defaults.
 */
export class GenerationConfig {
  /** @throws TypeError on an unknown option, an option of a call, or an invalid value. */
  constructor(fields: GenerationConfigInit = {}) {
    const call = callNames.find((name) => Object.hasOwn(fields, name))
    if (call)
      throw new TypeError(`[GenerationConfig] ${call} belongs to a call: generate(inputs, { ${call} })`)
    parseOptions({ ...generateOptionSet, owner: 'GenerationConfig' }, fields)
    Object.assign(this, settings(fields))
  }

  /**
   * Reads the generation_config.json of a folder, the hub's cache or the hub; fields that are not options
   * (transformers_version) are ignored.
   * @throws Error when there is none, or naming file and field of an invalid value.
   */
  static async from_pretrained(
    name_or_path: string,
    options: Partial<HubSettings> = {},
  ): Promise<GenerationConfig> {
    const set = { owner: 'GenerationConfig.from_pretrained', options: hubSettings, refused: {} }
    const path = await resolve_file(name_or_path, FILE, givenHubSettings(parseOptions(set, options)))
    if (!path) throw new Error(`${name_or_path}: has no ${FILE}`)
    const fields = parseJsonObject(path, await readTextFile(path))
    const known = new Set(knownNames(generateOptionSet))
    const own = Object.entries(fields).filter(([name, value]) => known.has(name) && value !== null)
    return namingFile(path, () => new GenerationConfig(Object.fromEntries(own)))
  }

  /** The given options. */
  to_dict(): Record<string, unknown> {
    return settings(this)
  }

  /** Writes generation_config.json. */
  async save_pretrained(folder: string): Promise<void> {
    const sorted = Object.fromEntries(Object.entries(this.to_dict()).sort(([a], [b]) => (a < b ? -1 : 1)))
    await writeFileAtomic(join(folder, FILE), JSON.stringify(sorted, null, 2) + '\n')
  }
}

function settings(fields: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && value !== null),
  )
}
