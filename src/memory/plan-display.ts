import { escapeHtml, formatBytes } from '../display/format'
import type { MimeBundle } from '../display/output'
import { tableBundle } from '../display/table'
import type { Item } from './dry-run'
import { fatesOf, breakdownOf, smallerBatches } from './breakdown'
import type { PlannedRun } from './run-planner'
import type { PlannedStep } from './planned-step'
import type { Planner } from './planner'

const WIDTH = 420
const ROW = 22
const LABEL = 250

/**
 * The plan as a table, and in a notebook also as bars: what uses the device's and the host's memory, and what
 * is recomputed. `run` adds a line about its smaller batches.
 */
export function planBundle(
  planner: Planner,
  planned: PlannedStep,
  limit: number,
  run?: PlannedRun,
): MimeBundle {
  const items = breakdownOf(planner, planned).sort((a, b) => b.bytes - a.bytes)
  const { device, host } = planned.peaks
  const title =
    `Memory plan: ${formatBytes(device)} of ${formatBytes(limit)} at the peak` +
    (host > 0 ? `, ${formatBytes(host)} of host memory` : '') +
    `, for ${planned.step.tokens} tokens at a time`
  const notes = [...fatesOf(planned), ...timeNotes(planner, planned), ...(run ? smallerBatches(run) : [])]
  const rows = items.map(({ name, bytes, place }) => ({ item: name, place, size: formatBytes(bytes) }))
  const table = tableBundle(rows, { title })['text/plain']
  return {
    'text/html': chart(title, items, notes),
    'text/plain': [table, ...notes].join('\n'),
  }
}

/** Notes about time; only a GPU's rates are known. */
function timeNotes({ machine }: Planner, { seconds, step, peaks }: PlannedStep): string[] {
  if (machine.sharesHost) return []
  const rate = Math.round(step.tokens / seconds)
  const notes = [`about ${(seconds * 1000).toFixed(0)} ms for a micro batch, ${rate} tokens/s`]
  const locking = peaks.host / machine.rates.locking
  if (locking >= 2)
    notes.push(
      `the first step takes some ${locking.toFixed(0)} s longer: its host memory is page-locked, once`,
    )
  return notes
}

function chart(title: string, items: readonly Item[], notes: readonly string[]): string {
  const largest = Math.max(...items.map((item) => item.bytes))
  const bars = items.map(({ name, bytes, place }, i) => {
    const y = i * ROW
    const width = Math.max(1, (bytes / largest) * WIDTH)
    return (
      `<text x="${LABEL - 8}" y="${y + 15}" text-anchor="end">${escapeHtml(name)}</text>` +
      `<rect x="${LABEL}" y="${y + 3}" width="${width.toFixed(1)}" height="${ROW - 6}" fill="${place === 'host' ? '#9aa7b4' : '#4878d0'}"/>` +
      `<text x="${LABEL + width + 6}" y="${y + 15}">${formatBytes(bytes)}${place === 'host' ? ' (host)' : ''}</text>`
    )
  })
  const size = `width="${LABEL + WIDTH + 130}" height="${items.length * ROW}"`
  const list = notes.map((note) => `<div>${escapeHtml(note)}</div>`).join('')
  return (
    `<div style="font:13px sans-serif"><b>${escapeHtml(title)}</b>` +
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} style="display:block" font-size="12" fill="currentColor">${bars.join('')}</svg>${list}</div>`
  )
}
