// What a training run left on disk, in the files Hugging Face's trainer and PEFT write.
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** Files of these names under `folder` written since `began` (ms), newest first. */
function writtenSince(folder, names, began) {
  const found = []
  const walk = (path) => {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      const child = join(path, entry.name)
      if (entry.isDirectory() && entry.name !== 'node_modules') walk(child)
      else if (entry.isFile() && names.includes(entry.name))
        found.push({ path: child, time: statSync(child).mtimeMs })
    }
  }
  walk(folder)
  return found
    .filter(({ time }) => time >= began)
    .sort((a, b) => b.time - a.time)
    .map(({ path }) => path)
}

/** The newest run's log rows (undefined when none was written) and the folders of its saved adapters, checkpoints left out. */
export function newestRun(folder, began) {
  const [state] = writtenSince(folder, ['trainer_state.json'], began)
  const adapters = writtenSince(folder, ['adapter_config.json'], began).map(dirname)
  return {
    history: state && JSON.parse(readFileSync(state, 'utf8')).log_history,
    adapters: adapters.filter((path) => !basename(path).startsWith('checkpoint-')),
  }
}

const columns = [
  ['step', (row) => String(row.step)],
  ['epoch', (row) => row.epoch?.toFixed(2)],
  ['loss', (row) => row.loss.toFixed(4)],
  ['grad_norm', (row) => row.grad_norm?.toFixed(4)],
  ['learning_rate', (row) => row.learning_rate?.toExponential(3)],
]

/** The log rows that carry a training loss, as aligned text. */
export function lossTable(history) {
  const rows = history.filter((row) => typeof row.loss === 'number')
  const table = [
    columns.map(([name]) => name),
    ...rows.map((row) => columns.map(([, text]) => text(row) ?? '')),
  ]
  const widths = columns.map((_, column) => Math.max(...table.map((cells) => cells[column].length)))
  return table
    .map((cells) => cells.map((cell, column) => cell.padStart(widths[column])).join('  '))
    .join('\n')
}
