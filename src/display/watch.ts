import { randomUUID } from 'node:crypto'
import type { MemoryStats } from '../tensor/device'
import { seriesOf, type LogRow } from './chart-data'
import { escapeHtml, formatBytes, formatNumber } from './format'
import { chartBundle, livePoints, loadPlotly } from './loss-chart'
import { detectOutput, type Handle, type MimeBundle, type Output } from './output'
import { checkNames } from '../options/parse'

/** The state of a trainer at one moment. */
export interface TrainerStatus {
  /** Whether a `train()` is running now. */
  training: boolean
  global_step: number
  max_steps: number
  epoch: number
  /** Loss of the last step; undefined before the first. */
  loss: number | undefined
  learning_rate: number | undefined
  grad_norm: number | undefined
  /** Measured since the last log row; right after a row, that of the row. */
  tokens_per_second: number | undefined
  /** Bytes of the model's device: now, peak, reserved. */
  device_memory: MemoryStats
  /** The model's device: `cpu`, `cuda:0`. */
  device: string
  /** Bytes of main memory that the process uses. */
  host_memory: number
}

/** What can be watched: an `SFTTrainer`. */
export interface Watched {
  status(): TrainerStatus
  readonly state: { readonly log_history: readonly LogRow[] }
}

export interface WatchOptions {
  /** Seconds between two updates. Default: 1 in a notebook, 10 where lines are printed. */
  interval?: number
  /** When it is aborted, the panel is no longer updated. */
  signal?: AbortSignal
  output?: Output
}

/**
 * Shows a live panel of a trainer: step, loss, tokens per second, memory of device and process, and the loss
 * chart. Call it before `await trainer.train()`, or from another cell (a subshell) during training. It returns
 * at once and updates itself until the run ends or stops. Outside of a notebook it prints lines.
 */
export function watch(trainer: Watched, options: WatchOptions = {}): void {
  checkNames<WatchOptions>('watch', options, ['interval', 'signal', 'output'])
  const { output = detectOutput(), signal } = options
  const { interval = output.kind === 'rich' ? 1 : 10 } = options
  const id = randomUUID()
  const atFirst = trainer.status().global_step
  let began = false
  let shown: Handle | undefined
  let last = ''
  loadPlotly(output)
  const look = (): void => {
    const status = trainer.status()
    const bundle = panelBundle(trainer, status, id)
    const ended = began && !status.training
    began ||= status.training || status.global_step !== atFirst
    if (bundle['text/plain'] !== last || ended) {
      if (shown) shown.update(bundle)
      else shown = output.show(bundle)
    }
    last = bundle['text/plain']
    if (ended) clearInterval(timer)
  }
  const timer = setInterval(look, 1000 * interval).unref()
  signal?.addEventListener('abort', () => clearInterval(timer), { once: true })
  look()
}

/** The panel at one moment; panels with the same `id` are frames of one chart. */
export function panelBundle(trainer: Watched, status: TrainerStatus, id: string): MimeBundle {
  const series = seriesOf(trainer.state.log_history, livePoints)
  const facts = factsOf(status)
  const cells = facts.map(
    ([name, value]) =>
      `<div><div style="opacity:0.65;font-size:85%">${escapeHtml(name)}</div><b>${escapeHtml(value)}</b></div>`,
  )
  const line =
    '<div style="display:flex;gap:1.6em;flex-wrap:wrap;font-variant-numeric:tabular-nums;margin-bottom:0.5em">' +
    `${cells.join('')}</div>`
  const chart =
    series.length > 0 ? chartBundle(id, series, 'Training', status.max_steps || undefined) : undefined
  return {
    'text/html': line + String(chart?.['text/html'] ?? ''),
    'text/plain': statusText(status),
  }
}

/** `training: step 12 of 100, epoch 0.4, loss 1.23, 290 tokens/s, cpu 0.91 GiB (peak 1.2 GiB), process 1.4 GiB` */
export function statusText(status: TrainerStatus): string {
  const parts = factsOf(status)
    .filter(([name]) => name !== 'state')
    .map(([name, value]) => (name === 'speed' ? value : `${name} ${value}`))
  return `${stateOf(status)}: ${parts.join(', ')}`
}

function stateOf({ training, global_step, max_steps }: TrainerStatus): string {
  if (training) return 'training'
  if (global_step === 0) return 'not started'
  return global_step >= max_steps ? 'ended' : 'stopped'
}

function factsOf(status: TrainerStatus): [name: string, value: string][] {
  const { loss, learning_rate, tokens_per_second, device, device_memory: memory } = status
  const facts: [string, string][] = [
    ['state', stateOf(status)],
    ['step', status.max_steps > 0 ? `${status.global_step} of ${status.max_steps}` : '0'],
    ['epoch', formatNumber(status.epoch)],
  ]
  if (loss !== undefined) facts.push(['loss', formatNumber(loss)])
  if (learning_rate !== undefined) facts.push(['learning rate', formatNumber(learning_rate)])
  if (tokens_per_second !== undefined)
    facts.push(['speed', `${formatNumber(Math.round(tokens_per_second))} tokens/s`])
  facts.push(
    [device, `${formatBytes(memory.allocated)} (peak ${formatBytes(memory.peak)})`],
    ['process', formatBytes(status.host_memory)],
  )
  return facts
}
