import { escapeHtml } from '../display/format'
import { scriptData } from '../display/page-script'
import type { MimeBundle } from '../display/output'
import { tableBundle } from '../display/table'
import type { MemoryForecast } from './plan-memory'

/** The data of a forecast for the page: the cases in the order of the sliders, where the first slider varies slowest. */
interface PanelData {
  /** Name and positions of each slider. */
  sliders: { name: string; label: string; values: (string | number)[] }[]
  items: string[]
  cases: {
    free: number
    fits: string | null
    plans: { memory: string; peak: number; host: number; speed: number | null; items: [number, number][] }[]
  }[]
}

const axes = [
  { name: 'card', label: 'card' },
  { name: 'r', label: 'rank r' },
  { name: 'length', label: 'tokens a row' },
  { name: 'batch', label: 'rows a batch' },
] as const

/** A forecast as a text table, and for a notebook as a panel with a slider for each of card, rank, length and batch that has several values. */
export function forecastBundle(forecast: MemoryForecast): MimeBundle {
  const title = `Memory of training ${forecast.title}`
  const table = tableBundle(forecast.rows, { title })
  const data = panelData(forecast)
  const sliders = data.sliders
    .filter(({ values }) => values.length > 1)
    .map(
      ({ name, label, values }) =>
        `<label style="display:flex;gap:8px;align-items:center"><span style="width:100px">${label}</span>` +
        `<input type="range" name="${name}" min="0" max="${values.length - 1}" value="0" step="1" style="width:260px">` +
        `<output>${escapeHtml(String(values[0]))}</output></label>`,
    )
  return {
    'text/html':
      `<div class="qlora-panel" style="font:13px sans-serif;max-width:860px"><b>${escapeHtml(title)}</b>` +
      `<div style="margin:6px 0">${sliders.join('')}</div>` +
      `<div class="qlora-panel-bars">${panelBars(data, [0, 0, 0, 0])}</div>` +
      `<script>(${movePanel.toString()})(${scriptData(data)}, ${panelBars.toString()})</script></div>`,
    'text/plain': table['text/plain'],
  }
}

function panelData({ cases }: MemoryForecast): PanelData {
  const sliders = axes.map(({ name, label }) => ({
    name,
    label,
    values: [...new Set(cases.map((one) => one[name]))],
  }))
  const items = [...new Set(cases.flatMap(({ plans }) => plans.flatMap((plan) => plan.items.map(nameOf))))]
  const place = (one: MemoryForecast['cases'][number]): number =>
    sliders.reduce((n, { name, values }) => n * values.length + values.indexOf(one[name as 'card']), 0)
  const sorted = [...cases].sort((a, b) => place(a) - place(b))
  return {
    sliders,
    items,
    cases: sorted.map(({ free, fits, plans }) => ({
      free,
      fits: fits?.memory ?? null,
      plans: plans.map((plan) => ({
        memory: plan.memory,
        peak: plan.peak,
        host: plan.host,
        speed: plan.tokens_per_second === undefined ? null : Math.round(plan.tokens_per_second),
        items: plan.items
          .filter((item) => item.place === 'device')
          .map((item) => [items.indexOf(nameOf(item)), item.bytes]),
      })),
    })),
  }
}

/** Without the number of layers, which differs from case to case. */
const nameOf = ({ name }: { name: string }): string => name.replace(/, \d+ layers?$/, '')

/** The bars of one case, as SVG with a line below. It also runs in the page, so it must not use anything outside its own body. */
function panelBars(data: PanelData, at: readonly number[]): string {
  const index = data.sliders.reduce((n, slider, i) => n * slider.values.length + (at[i] || 0), 0)
  const { free, fits, plans } = data.cases[index]!
  const text = (value: string): string => value.replace(/&/g, '&amp;').replace(/</g, '&lt;')
  const gib = (bytes: number): string => (bytes / 2 ** 30).toFixed(2) + ' GiB'
  const [left, wide, high] = [90, 520, 26]
  const most = Math.max(free, ...plans.map((plan) => plan.peak)) * 1.02
  const colours = ['#4878d0', '#ee854a', '#6acc64', '#d65f5f', '#956cb4', '#8c613c', '#dc7ec0', '#797979']
  colours.push('#b8a33e', '#4fb5c9', '#3d6fb0', '#c77c3f')
  const colour = (item: number): string => colours[item % colours.length]!
  const bars = plans.map(function (plan, row) {
    let x = left
    const parts = plan.items.map(function ([item, bytes]) {
      const width = (bytes / most) * wide
      const rect = `<rect x="${x.toFixed(1)}" y="${row * high + 4}" width="${width.toFixed(1)}" height="${high - 8}" fill="${colour(item)}"><title>${text(data.items[item]!)}: ${gib(bytes)}</title></rect>`
      x += width
      return rect
    })
    const host = plan.host > 0 ? `, ${gib(plan.host)} of the host` : ''
    return (
      `<text x="${left - 8}" y="${row * high + 17}" text-anchor="end">${text(plan.memory)}</text>${parts.join('')}` +
      `<text x="${left + wide + 10}" y="${row * high + 17}">${gib(plan.peak)}${host}</text>`
    )
  })
  const edge = left + (free / most) * wide
  const height = plans.length * high
  const shown = data.items
    .map((name, item) => ({ name, item }))
    .filter(({ item }) => plans.some((plan) => plan.items.some((part) => part[0] === item)))
  const legend = shown.map(
    ({ name, item }) =>
      `<span style="white-space:nowrap;margin-right:14px"><span style="display:inline-block;width:10px;height:10px;background:${colour(item)}"></span> ${text(name)}</span>`,
  )
  const best = plans.find((plan) => plan.memory === fits)
  const speed =
    best && best.speed !== null ? `, some ${best.speed.toLocaleString('en')} tokens/s (estimated)` : ''
  const verdict = best
    ? `fits with memory: '${text(best.memory)}'${speed}`
    : 'does not fit: choose shorter rows, fewer rows or a larger card'
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="840" height="${height + 20}" style="display:block;max-width:100%" font-size="12" fill="currentColor">${bars.join('')}` +
    `<line x1="${edge.toFixed(1)}" x2="${edge.toFixed(1)}" y1="0" y2="${height}" stroke="currentColor" stroke-width="2" stroke-dasharray="4 3"></line>` +
    `<text x="${edge.toFixed(1)}" y="${height + 15}" text-anchor="middle">tensors may take ${gib(free)}</text></svg>` +
    `<div style="margin:4px 0">${legend.join(' ')}</div><div class="qlora-panel-verdict"><b>${best ? '\u2713' : '\u2717'} ${verdict}</b></div>`
  )
}

/** Handles the sliders. It runs in the page, so it must not use anything outside its own body. */
function movePanel(data: PanelData, bars: (data: PanelData, at: number[]) => string): void {
  /* eslint-disable @typescript-eslint/no-explicit-any */
  const script = (globalThis as any).document.currentScript
  const root = script && script.parentElement
  if (!root) return
  const inputs: any[] = Array.from(root.querySelectorAll('input[type=range]'))
  const draw = function (): void {
    const at = data.sliders.map(function ({ name }) {
      const input = inputs.find((one) => one.name === name)
      return input ? Number(input.value) : 0
    })
    for (const input of inputs) {
      const slider = data.sliders.find(({ name }) => name === input.name)!
      input.nextElementSibling.textContent = String(slider.values[Number(input.value)])
    }
    root.querySelector('.qlora-panel-bars').innerHTML = bars(data, at)
  }
  for (const input of inputs) input.addEventListener('input', draw)
  /* eslint-enable */
}
