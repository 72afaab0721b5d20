import type { TensorHandle } from '../native/contract'
import type { Parameter } from '../nn/parameter'
import { dynamicMap } from '../quantization/codes'
import { fill } from '../tensor/ops'
import { Tensor } from '../tensor/tensor'
import { newPages, updatePages, type Page, type Stateful } from './paging'
import { stateLayout, type ParameterState, type StateOptions } from './state'

/** Clipping as part of an update: gradients count times min(1, max_norm / (norm + 1e-6)), and are not written. */
export interface Clip {
  /** float32 [1] on the parameters' device: what `gradNorm` gives. */
  norm: Tensor
  max_norm: number
}

/** Parameters that one native call updates, with their tensors in the same order. */
export interface UpdateGroup {
  readonly isCoded: boolean
  readonly weightDecay: number
  readonly params: TensorHandle[]
  readonly grads: TensorHandle[]
  /** By place in `ParameterState.tensors`. */
  readonly state: TensorHandle[][]
}

/** What every update takes besides its tensors. */
export interface UpdateStep {
  readonly lr: number
  readonly norm: TensorHandle | undefined
  readonly max_norm: number
  /** 1 for the first. */
  readonly step: number
}

/**
 * The part that all optimizers share: state by parameter, made at its first gradient; groups of parameters, each updated by one
 * call; decay of weights but not of biases and norms.
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

  /** One update of every parameter that has a gradient. Enqueues and returns; nothing is waited for. */
  step(lr: number, clip?: Clip): void {
    const withGradient = this.parameters.filter((p) => p.grad)
    // First: when there is no memory for it, the step has not begun.
    this.makeStates(withGradient)
    this.steps += 1
    // A max_norm of 0 is transformers' "off".
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

  /** The state by `<parameter>.<place>`, zero where there was none yet. The tensors stay the optimizer's. */
  stateTensors(): Record<string, Tensor> {
    this.makeStates(this.parameters)
    const named = this.parameters.flatMap((p) =>
      this.states.get(p)!.tensors.map((tensor, i) => [`${p.name}.${i}`, tensor] as const),
    )
    return Object.fromEntries(named)
  }

  /** Goes on after `steps` updates; the caller fills the tensors returned with the state of then. */
  restore(steps: number): Record<string, Tensor> {
    this.steps = steps
    return this.stateTensors()
  }

  /** Frees the state; the parameters belong to the model. */
  dispose(): void {
    for (const { tensors } of this.states.values()) for (const t of tensors) t.dispose()
    this.states.clear()
    for (const { home } of this.pages.splice(0)) home.dispose()
    this.codeMaps?.signed.dispose()
    this.codeMaps?.unsigned.dispose()
    this.codeMaps = undefined
  }

  /** bitsandbytes' maps of 8-bit codes, on the parameters' device. */
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

  /** Zero state for those that have none. */
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

/** transformers' rule: neither biases nor norm weights decay. */
export function decays(name: string): boolean {
  return !/(^|\.)bias$|norm/i.test(name)
}
