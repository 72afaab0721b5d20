import type { TensorHandle } from '../native/contract'
import type { Parameter } from '../nn/parameter'
import { dynamicMap } from '../quantization/codes'
import { fill } from '../tensor/ops'
import { Tensor } from '../tensor/tensor'
import { newPages, updatePages, type Page, type Stateful } from './paging'
import { stateLayout, type ParameterState, type StateOptions } from './state'

/**
 * Clipping as part of an update: gradients are multiplied by min(1, max_norm / (norm + 1e-6)) as they are read;
 * the stored ones do not change.
 */
export interface Clip {
  /** float32 [1] on the parameters' device: what `gradNorm` gives. */
  norm: Tensor
  max_norm: number
}

/** Parameters that one native call updates, and their tensors in the same order. */
export interface UpdateGroup {
  readonly isCoded: boolean
  readonly weightDecay: number
  readonly params: TensorHandle[]
  readonly grads: TensorHandle[]
  /** State tensors by their index in `ParameterState.tensors`. */
  readonly state: TensorHandle[][]
}

/** What every update needs in addition to its tensors. */
export interface UpdateStep {
  readonly lr: number
  readonly norm: TensorHandle | undefined
  readonly max_norm: number
  /** Counts from 1. */
  readonly step: number
}

/**
 * The part that all optimizers share: the state of each parameter, made with its first gradient; groups of
 * parameters that one call updates; weight decay for all but biases and norms.
 */
export abstract class Optimizer {
  private steps = 0
  private readonly states: Map<Parameter, ParameterState> = new Map()
  private readonly pages: Page[] = []
  private codeMaps: { signed: Tensor; unsigned: Tensor } | undefined

  protected constructor(
    readonly parameters: Parameter[],
    private readonly weightDecay: number,
    private readonly moments: number,
    private readonly stateOptions: StateOptions,
  ) {}

  protected abstract update(group: UpdateGroup, step: UpdateStep): void

  /** Updates every parameter that has a gradient. Enqueues the work and returns. */
  step(lr: number, clip?: Clip): void {
    const withGradient = this.parameters.filter((p) => p.grad)
    // This is first: if there is not enough memory, the step has not begun.
    this.makeStates(withGradient)
    this.steps += 1
    // In transformers, max_norm 0 means no clipping.
    const active = clip && clip.max_norm > 0 ? clip : undefined
    const step = { lr, norm: active?.norm.handle, max_norm: active?.max_norm ?? 0, step: this.steps }
    const apply = (part: readonly Stateful[]): void => {
      for (const group of this.groups(part)) this.update(group, step)
    }
    const stateful = withGradient.map((p) => ({ p, state: this.states.get(p)! }))
    apply(stateful.filter(({ state }) => !state.isPaged))
    updatePages(this.pages, apply)
  }

  zeroGrad(): void {
    for (const p of this.parameters) p.zeroGrad()
  }

  /** Updates done so far. */
  get stepCount(): number {
    return this.steps
  }

  /** The state by `<parameter>.<index>`; zero if there was none. The optimizer owns the tensors. */
  stateTensors(): Record<string, Tensor> {
    this.makeStates(this.parameters)
    const named = this.parameters.flatMap((p) =>
      this.states.get(p)!.tensors.map((tensor, i) => [`${p.name}.${i}`, tensor] as const),
    )
    return Object.fromEntries(named)
  }

  /** Continues after `steps` updates; the caller copies the saved state into the returned tensors. */
  restore(steps: number): Record<string, Tensor> {
    this.steps = steps
    return this.stateTensors()
  }

  /** Frees the state. The parameters belong to the model. */
  dispose(): void {
    for (const { tensors } of this.states.values()) for (const t of tensors) t.dispose()
    this.states.clear()
    for (const { home } of this.pages.splice(0)) home.dispose()
    this.codeMaps?.signed.dispose()
    this.codeMaps?.unsigned.dispose()
    this.codeMaps = undefined
  }

  /** bitsandbytes' tables of 8-bit codes, on the parameters' device. */
  protected get maps(): { signed: Tensor; unsigned: Tensor } {
    const { device } = this.parameters[0]!.data
    this.codeMaps ??= {
      signed: Tensor.from(dynamicMap(true), { device }),
      unsigned: Tensor.from(dynamicMap(false), { device }),
    }
    return this.codeMaps
  }

  private groups(part: readonly Stateful[]): UpdateGroup[] {
    const groups = new Map<string, UpdateGroup>()
    for (const { p, state } of part) {
      const { isCoded, tensors } = state
      const weightDecay = decays(p.name) ? this.weightDecay : 0
      const key = `${isCoded} ${weightDecay}`
      let group = groups.get(key)
      if (!group) {
        group = { isCoded, weightDecay, params: [], grads: [], state: tensors.map(() => []) }
        groups.set(key, group)
      }
      group.params.push(p.data.handle)
      group.grads.push(p.grad!.handle)
      tensors.forEach((t, i) => group.state[i]!.push(t.handle))
    }
    return [...groups.values()]
  }

  /** Makes a zero state for parameters that have none. */
  private makeStates(parameters: readonly Parameter[]): void {
    const made = parameters
      .filter((p) => !this.states.has(p))
      .map((p) => ({ p, layout: stateLayout(p, this.moments, this.stateOptions) }))
    for (const { p, layout } of made) {
      if (layout.isPaged) continue
      const tensors = layout.tensors.map(({ shape, dtype }) => {
        const t = p.data.device.empty(shape, dtype)
        fill(t, 0)
        return t
      })
      this.states.set(p, { ...layout, tensors })
    }
    const pages = newPages(made.filter(({ layout }) => layout.isPaged))
    for (const { p, state } of pages.flatMap(({ members }) => members)) this.states.set(p, state)
    this.pages.push(...pages)
  }
}

/** Whether weight decay applies: as in transformers, not to biases and norm weights. */
export function decays(name: string): boolean {
  return !/(^|\.)bias$|norm/i.test(name)
}
