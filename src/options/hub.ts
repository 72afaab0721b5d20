import { z } from 'zod'
import type { OptionSet } from './declaration'
import { flag, textOrNull } from './schemas'

/** The options of every `from_pretrained` that select where files of the hub come from. */
export interface HubSettings {
  revision: string | null
  token: string | boolean | null
  cache_dir: string | null
  local_files_only: boolean
}

/** Their declarations, to be spread into an option set. */
export const hubSettings: OptionSet<HubSettings>['options'] = {
  revision: {
    schema: textOrNull,
    default: null,
    doc: 'Branch, tag or commit of the hub repository; null: main.',
  },
  token: {
    schema: z.union([z.string(), z.boolean()]).nullable().describe('a text, true, false or null'),
    default: null,
    doc: 'Hub token; true demands one, false sends none, null: HF_TOKEN or the token file, if any.',
  },
  cache_dir: {
    schema: textOrNull,
    default: null,
    doc: "Cache folder; null: the hub's own (HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub).",
  },
  local_files_only: {
    schema: flag,
    default: false,
    doc: 'Never ask the hub: read the cache only. HF_HUB_OFFLINE=1 does the same for every call.',
  },
}

/** The parsed settings as the functions of `files/hub.ts` expect them: undefined means "not given". */
export function givenHubSettings(o: HubSettings): {
  revision: string | undefined
  token: string | boolean | undefined
  cache_dir: string | undefined
  local_files_only: true | undefined
} {
  return {
    revision: o.revision ?? undefined,
    token: o.token ?? undefined,
    cache_dir: o.cache_dir ?? undefined,
    // Not given: HF_HUB_OFFLINE decides.
    local_files_only: o.local_files_only || undefined,
  }
}
