import { randomUUID } from 'node:crypto'
import type { Comm, CommEvent } from './comms'
import { renderFully } from './render'
import type { Show } from './display'

/** `[min, max]` or `[min, max, step]` of a slider; texts to choose from; or the value that a box begins with. */
export type Control =
  | readonly [number, number]
  | readonly [number, number, number]
  | readonly string[]
  | boolean
  | string
  | number
type Value = number | string | boolean
type Values = Record<string, Value>
type Open = (
  target: string,
  data: Record<string, unknown>,
  options: { metadata: Record<string, unknown> },
) => Pick<Comm, 'comm_id' | 'on_msg'>

/** A control as ipywidgets' protocol tells it. */
interface Model {
  value: Value
  /** What the frontend's `value` or `index` stands for. */
  read: (state: Record<string, unknown>) => Value | undefined
  state: Record<string, unknown>
}

const controls = '@jupyter-widgets/controls'
const base = '@jupyter-widgets/base'
const viewType = 'application/vnd.jupyter.widget-view+json'

/**
 * `interact({ r: [4, 64] }, ({ r }) => ...)`: a control for each name, and below them what the function returns, computed again when a
 * control is moved. Needs ipywidgets at the frontend.
 */
export function createInteract(
  open: Open,
  show: Show,
): (controls: Record<string, Control>, body: (values: Values) => unknown) => Promise<void> {
  return async (given, body) => {
    const models = Object.entries(given).map(([name, control]) => ({ name, ...modelOf(name, control) }))
    if (models.length === 0)
      throw new TypeError('[interact] give a control: interact({ r: [4, 64] }, ({ r }) => ...)')
    if (typeof body !== 'function')
      throw new TypeError('[interact] the second argument is a function of the values')
    const values: Values = Object.fromEntries(models.map(({ name, value }) => [name, value]))
    const id = randomUUID()
    let shown = false
    let [running, again] = [false, false]
    const draw = async (): Promise<void> => {
      if (running) return void (again = true)
      running = true
      try {
        do {
          again = false
          const bundle = await renderFully(await body({ ...values }))
          show(Object.keys(bundle).length > 0 ? bundle : { 'text/plain': '' }, id, shown)
          shown = true
        } while (again)
      } finally {
        running = false
      }
    }
    const widget = (state: Record<string, unknown>): Pick<Comm, 'comm_id' | 'on_msg'> =>
      open('jupyter.widget', { state, buffer_paths: [] }, { metadata: { version: '2.1.0' } })
    const layout = (fields: object = {}): string =>
      `IPY_MODEL_${widget({ ...moduleOf('Layout', base, '2.0.0'), ...fields }).comm_id}`
    const children = models.map(({ name, state, read }) => {
      const comm = widget({ ...state, description: name, layout: layout({ width: '420px' }) })
      comm.on_msg(async ({ content }: CommEvent) => {
        const value = read((content.data['state'] ?? {}) as Record<string, unknown>)
        if (value === undefined) return
        values[name] = value
        await draw()
      })
      return `IPY_MODEL_${comm.comm_id}`
    })
    const box = widget({ ...moduleOf('VBox', controls, '2.0.0'), children, layout: layout() })
    const model = { version_major: 2, version_minor: 0, model_id: box.comm_id }
    const text = models.map(({ name, value }) => `${name} = ${String(value)}`).join(', ')
    show(
      { [viewType]: JSON.stringify(model), 'text/plain': `${text} (controls need ipywidgets)` },
      undefined,
      false,
    )
    await draw()
  }
}

/** The fields that every model of ipywidgets has. */
const moduleOf = (name: string, module: string, version: string): Record<string, unknown> => ({
  _model_module: module,
  _model_module_version: version,
  _model_name: `${name}Model`,
  _view_module: module,
  _view_module_version: version,
  _view_name: `${name}View`,
})

function modelOf(name: string, control: Control): Model {
  const own = (kind: string, value: Value, state: object): Model => ({
    value,
    read: (changed) => changed['value'] as Value | undefined,
    state: { ...moduleOf(kind, controls, '2.0.0'), value, ...state },
  })
  if (typeof control === 'boolean') return own('Checkbox', control, {})
  if (typeof control === 'string') return own('Text', control, { continuous_update: false })
  if (typeof control === 'number') return own('FloatText', control, {})
  if (Array.isArray(control) && control.every((one) => typeof one === 'string') && control.length > 0) {
    const options = control as readonly string[]
    return {
      value: options[0]!,
      read: ({ index }) => (typeof index === 'number' ? options[index] : undefined),
      state: { ...moduleOf('Dropdown', controls, '2.0.0'), _options_labels: options, index: 0 },
    }
  }
  const [min, max, given] = (control ?? []) as readonly number[]
  if (typeof min !== 'number' || typeof max !== 'number' || !(max > min) || !((given ?? 1) > 0))
    throw new TypeError(
      `[interact] ${name}: got ${JSON.stringify(control)}, needs [min, max] or [min, max, step] with min < max, a list of texts, a number, a text, true or false`,
    )
  const whole = [min, max, given ?? 1].every(Number.isInteger)
  const step = given ?? (whole ? 1 : (max - min) / 100)
  return own(whole ? 'IntSlider' : 'FloatSlider', min, {
    min,
    max,
    step,
    readout: true,
    continuous_update: true,
  })
}
