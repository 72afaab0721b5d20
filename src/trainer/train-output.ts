import { inspect } from 'node:util'
import { formatNumber } from '../display/format'
import { displayMethod } from '../display/rich-display'
import type { MimeBundle } from '../display/output'
import { tableBundle } from '../display/table'
import type { TrainOutput } from './state'

/** Makes a notebook show the result of `train()` as a table. In a terminal it is shown as a plain object. */
export function shownAsTable(output: TrainOutput): TrainOutput {
  const value = (): MimeBundle => {
    const { metrics, ...own } = output
    const rows = Object.entries({ ...own, ...metrics }).map(([name, figure]) => ({
      name,
      value: typeof figure === 'number' ? formatNumber(figure) : figure,
    }))
    return { ...tableBundle(rows, { title: 'TrainOutput' }), 'text/plain': inspect(output) }
  }
  return Object.defineProperty(output, displayMethod, { value })
}
