import type { LinearSlot, CausalLM } from '../models/causal-lm'
import type { BaseLayer } from '../nn/linear'
import { DoraLinear } from '../nn/dora'
import { baseLayer, LoraLinear } from '../nn/lora'
import { Parameter } from '../nn/parameter'
import { ParameterStack } from '../nn/parameter-stack'
import { uniformStream } from '../tensor/uniform-stream'
import type { FloatDType } from '../tensor/dtype'
import { fill } from '../tensor/ops'
import type { Generator } from '../tensor/random'
import type { Tensor } from '../tensor/tensor'
import type { LoraConfig } from './config'
import { KEY_PREFIX } from './keys'
import { orthogonalStart } from './orthogonal-start'
import { trainedModules } from './trained-modules'
import { expandTargets, matchTargets, rankFor, scalingFor } from './targets'

/** What an adapter trains, and how to remove it. */
export interface Injection {
  parameters: Parameter[]
  /** false: only the base model is used, until true. */
  enable(on: boolean): void
  /** false: the bare layers return to their places and the adapter's tensors are kept aside, until true. */
  attach(on: boolean): void
  /** The layers that the adapter changes, by module path. */
  layerNames: readonly string[]
  /** A [r, in] and B [out, r] of a layer. */
  weightsOf(name: string): { a: Tensor; b: Tensor } | undefined
  /** Restores the bare layers and frees the adapter's tensors. */
  remove(): void
  /** Frees the adapter's tensors; the layers now in the model, and modules trained in full, stay. */
  adopt(): void
  layers: readonly AdaptedLayer[]
}

/** A layer with an adapter, and its place. */
export interface AdaptedLayer {
  slot: LinearSlot
  adapter: LoraLinear
}

/** Wraps the target layers of a model; parameters have dtype `dtype`. */
export function injectAdapter(
  model: CausalLM,
  config: LoraConfig,
  dtype: FloatDType,
  random: Generator,
): Injection {
  const slots = [...model.linearSlots()]
  const byName = new Map(slots.map((s) => [s.name, s]))
  const targets = matchTargets([...byName.keys()], config)
  const names = slots.map((s) => s.name)
  const layers: AdaptedLayer[] = []
  const undo: ((isAttached: boolean) => void)[] = []
  let attached = true
  const remove = (): void => undo.forEach((f) => f(attached))
  try {
    const copies = trainedModules(model, config, dtype)
    undo.push(...copies.map((c) => c.remove))
    const stackOf = stacks(
      targets.map((name) => byName.get(name)!),
      config,
      dtype,
      undo,
    )
    targets.forEach((name, index) => {
      const slot = byName.get(name)!
      const base = bareLayer(slot)
      const adapter = wrap(base, config, stackOf(slot), random, index)
      slot.set(adapter)
      layers.push({ slot, adapter })
      undo.push((isAttached) => {
        if (isAttached) slot.set(base)
        for (const p of adapter.ownParameters()) p.dispose()
      })
    })
    const biases = trainedBiases(slots, new Set(targets), config.bias, undo)
    config.target_modules = expandTargets(names, config.target_modules)
    return {
      parameters: [
        ...layers.flatMap(({ adapter }) => adapter.ownParameters()),
        ...copies.map((c) => c.parameter),
        ...biases,
      ],
      enable: (on) => {
        for (const { adapter } of layers) adapter.enabled = on
        for (const copy of copies) copy.use(on)
      },
      attach: (on) => {
        for (const { slot, adapter } of layers) slot.set(on ? adapter : adapter.base)
        for (const copy of copies) copy.use(on)
        attached = on
      },
      layerNames: targets,
      weightsOf: (name) => {
        const found = layers.find(({ slot }) => slot.name === name)?.adapter
        return found && { a: found.lora_A.data, b: found.lora_B.data }
      },
      remove,
      adopt: () => {
        for (const copy of copies) copy.adopt()
        attached = false
        remove()
      },
      layers,
    }
  } catch (error) {
    remove()
    throw error
  }
}

/**
 * The stacks of A matrices of targets that read the same tensor; a stack is made when its first matrix is
 * requested.
 */
function stacks(
  targets: readonly LinearSlot[],
  config: LoraConfig,
  dtype: FloatDType,
  undo: ((isAttached: boolean) => void)[],
): (slot: LinearSlot) => ParameterStack {
  const made = new Map<string, ParameterStack>()
  return ({ input }) => {
    let stack = made.get(input)
    if (!stack) {
      const layers = targets.filter((slot) => slot.input === input).map((slot) => bareLayer(slot))
      const parts = layers.map(({ name }) => ({
        name: weightKey(name, 'lora_A'),
        rows: rankFor(name, config),
      }))
      const { device, inFeatures } = layers[0]!
      const fresh = new ParameterStack(device, dtype, inFeatures, parts)
      undo.push(() => fresh.parts.forEach((part) => part.dispose()))
      made.set(input, (stack = fresh))
    }
    return stack
  }
}

function weightKey(name: string, matrix: 'lora_A' | 'lora_B'): string {
  return `${KEY_PREFIX}${name}.${matrix}.weight`
}

function wrap(
  base: BaseLayer,
  config: LoraConfig,
  stack: ParameterStack,
  random: Generator,
  stream: number,
): LoraLinear {
  const { device } = base
  const lora_A = stack.parts.find((part) => part.name === weightKey(base.name, 'lora_A'))!
  const settings = { scaling: scalingFor(base.name, config), dropout: config.lora_dropout, stream }
  if (config.use_dora) DoraLinear.check(base, settings)
  const lora_B = new Parameter(
    weightKey(base.name, 'lora_B'),
    device.empty([base.outFeatures, lora_A.data.rows], lora_A.data.dtype),
  )
  if (config.init_lora_weights === 'orthogonal')
    orthogonalStart(lora_A.data, lora_B.data, random, uniformStream(random.seed + stream))
  else initialize(lora_A.data, lora_B.data, config.init_lora_weights, random)
  if (!config.use_dora) return new LoraLinear(base, lora_A, lora_B, settings, stack)
  return DoraLinear.create(base, lora_A, lora_B, settings, `${KEY_PREFIX}${base.name}.lora_magnitude_vector`)
}

/** @throws Error when the layer has an adapter, since only one at a time is supported, or belongs to the user. */
function bareLayer(slot: LinearSlot): BaseLayer {
  const layer = slot.get()
  if (layer instanceof LoraLinear)
    throw new Error(
      'the model has an adapter already: of an earlier get_peft_model or SFTTrainer. Take it off with model.unload(), or load the model again; to train it on, give its own model (trainer.model) without peft_config',
    )
  const base = baseLayer(layer)
  if (!base)
    throw new TypeError(
      `[get_peft_model] '${slot.name}' holds a layer of your own, which takes no adapter; leave it out with exclude_modules, or call get_peft_model first`,
    )
  return base
}

/**
 * true: A uniform within +-1/sqrt(in) (Kaiming, a = sqrt 5) and B zero; false: both uniform; 'gaussian': A
 * normal with standard deviation 1/r.
 */
function initialize(a: Tensor, b: Tensor, scheme: boolean | 'gaussian', random: Generator): void {
  const [r, inFeatures] = a.shape as [number, number]
  if (scheme === 'gaussian') random.normal(a, 0, 1 / r)
  else random.uniform(a, -1 / Math.sqrt(inFeatures), 1 / Math.sqrt(inFeatures))
  if (scheme === false) random.uniform(b, -1 / Math.sqrt(r), 1 / Math.sqrt(r))
  else fill(b, 0)
}

function trainedBiases(
  slots: LinearSlot[],
  targets: Set<string>,
  bias: LoraConfig['bias'],
  undo: ((isAttached: boolean) => void)[],
): Parameter[] {
  if (bias === 'none') return []
  const parameters: Parameter[] = []
  for (const slot of slots) {
    const isTarget = targets.has(slot.name)
    const plain = baseLayer(slot.get())
    if (!plain?.bias || (bias === 'lora_only' && !isTarget)) continue
    const key = `${KEY_PREFIX}${slot.name}${isTarget ? '.base_layer' : ''}.bias`
    plain.trainedBias = new Parameter(key, plain.bias)
    parameters.push(plain.trainedBias)
    undo.push(() => {
      plain.trainedBias?.zeroGrad()
      plain.trainedBias = undefined
    })
  }
  return parameters
}
