import type { ProcessGroup } from '../distributed/group'
import type { Parameter } from '../nn/parameter'
import type { TrainingArguments } from './arguments'
import { differences, type RunSettings } from './run-settings'
import { versions } from './versions'

/** Arguments that may tell ranks apart. */
const own: readonly string[] = ['local_rank', 'logging_dir', 'run_name', 'disable_tqdm', 'log_level']

/**
 * Makes sure that all ranks are about to do the same: versions, arguments, adapter, model and rows.
 * @throws Error naming the first rank that differs from rank 0, and all that differs.
 */
export async function requireSameRun(
  group: ProcessGroup,
  args: TrainingArguments,
  settings: RunSettings,
): Promise<void> {
  const given = Object.entries(args.to_dict()).filter(([name]) => !own.includes(name))
  const all = await group.gather('the settings of the run', {
    versions: { ...versions(), engine: group.library.replace(/ \(.*/, '') },
    given: Object.fromEntries(given),
    settings: { ...settings, model: { ...settings.model, device: undefined } },
  })
  const main = all[0]!
  for (const [rank, one] of all.entries()) {
    const apart = [
      ...told(main.versions, one.versions),
      ...told(main.given, one.given),
      ...toldSettings(main.settings, one.settings),
    ]
    if (apart.length === 0) continue
    const error = new Error(
      `[SFTTrainer.train] rank ${rank} is not about to do the same as rank 0: ${[...new Set(apart)].join('; ')}`,
    )
    if (rank === group.rank) group.fail(error)
    throw error
  }
}

/** The adapter of rank 0 on all ranks: an initial one may come from a generator that scripts used before. */
export function shareParameters(group: ProcessGroup, parameters: readonly Parameter[]): void {
  for (const { data } of parameters) group.broadcast(data)
}

function told(main: Readonly<Record<string, unknown>>, one: Readonly<Record<string, unknown>>): string[] {
  const names = [...new Set([...Object.keys(main), ...Object.keys(one)])]
  return names
    .filter((name) => JSON.stringify(main[name]) !== JSON.stringify(one[name]))
    .map((name) => `${name} is ${text(one[name])}, rank 0 has ${text(main[name])}`)
}

const text = (value: unknown): string =>
  (typeof value === 'string' ? value : JSON.stringify(value)) ?? 'not set'

/** As `differences` tells them of a checkpoint's run. */
function toldSettings(main: RunSettings, one: RunSettings): string[] {
  const { refused, warned } = differences({ ...main, args: {} }, { ...one, args: {} })
  return [...refused, ...warned.filter((warning) => !warning.includes('is a function'))].map((difference) =>
    difference
      .replaceAll("the checkpoint's run had", 'rank 0 has')
      .replaceAll("those of the checkpoint's run", 'those of rank 0')
      .replaceAll(' then', ' on rank 0'),
  )
}
