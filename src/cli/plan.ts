import type { OptionSet } from '../options/declaration'
import { tableBundle } from '../display/table'
import { planOptionSet } from '../memory/options'
import { plan_memory } from '../memory/plan-memory'
import { readCommand } from './arguments'
import type { Terminal } from './chat'

const notOnCommandLine = new Set(['model', 'config', 'signal'])

const commandSet: OptionSet<object> = {
  owner: 'plan',
  options: Object.fromEntries(
    Object.entries(planOptionSet.options).filter(([name]) => !notOnCommandLine.has(name)),
  ) as OptionSet<object>['options'],
  refused: {},
}

/** `qlora plan MODEL --card "RTX 4060 8GB"`: the memory of a run on each card, from config.json alone. Returns 1 if nothing fits. */
export async function planCommand(args: readonly string[], { output }: Terminal): Promise<number> {
  const { folder, given } = readCommand('qlora plan MODEL [options]', args, [commandSet])
  const forecast = await plan_memory({ ...given[0], model: folder })
  const text = tableBundle(forecast.rows, {
    title: `Memory of training ${forecast.title}`,
    max_rows: Infinity,
  })
  output.write(`${text['text/plain']}\n`)
  return forecast.cases.some(({ fits }) => fits) ? 0 : 1
}
