import type { LayerPlan, MemoryPlan } from './memory-plan'
import type { Context } from '../nn/context'
import type { Scope } from '../tensor/scope'
import type { Tensor } from '../tensor/tensor'
import type { DecoderLayer, LayerSaved } from './decoder-layer'
import { Parking } from './parking'

/** What the layers' forward saves for their backward. Disposing of it frees what backward has not freed yet. */
export interface LayersForward extends Disposable {
  /** Output of the last layer, in ctx.scope. */
  x: Tensor
  /** Input of each layer, in ctx.scope. */
  inputs: Tensor[]
  saved: LayerSaved[]
  parking: Parking
  /** How many layers in advance offloaded tensors are copied back. */
  ahead: 0 | 1
}

/** Runs x, in ctx.scope, through the layers; `plan` decides what is saved of each. */
export function forwardLayers(
  layers: readonly DecoderLayer[],
  x: Tensor,
  ctx: Context,
  { layers: plans, mlpRows, prefetch = true }: MemoryPlan,
): LayersForward {
  const parking = new Parking(x.device)
  const scopes: Scope[] = []
  const pass: LayersForward = {
    x,
    inputs: [],
    saved: [],
    parking,
    ahead: prefetch ? 1 : 0,
    [Symbol.dispose]: () => {
      parking[Symbol.dispose]()
      for (const scope of scopes) scope.dispose()
    },
  }
  try {
    for (const layer of layers) {
      const { index } = layer
      const plan = plans[index]!
      pass.inputs.push(pass.x)
      if (plan.x === 'offload') parking.park(index, pass.x, ctx.scope, (t) => (pass.inputs[index] = t))
      const scope = x.device.scope()
      scopes.push(scope)
      const { y, saved } = layer.forward(pass.x, ctx, scope, { plan, mlpRows })
      pass.x = ctx.scope.add(saved.scope.keep(y))
      pass.saved.push(saved)
      parking.settle()
      for (const [tensor, put] of offloaded(saved, plan)) parking.park(index, tensor, saved.scope, put)
    }
    parking.settle()
  } catch (error) {
    pass[Symbol.dispose]()
    throw error
  }
  return pass
}

/**
 * Overwrites dx with the gradient of each layer's input in turn, of the first layer's only if `embeddingTrains`;
 * each layer's memory is freed when it is done.
 */
export function backwardLayers(
  layers: readonly DecoderLayer[],
  dx: Tensor,
  { inputs, saved, parking, ahead }: LayersForward,
  ctx: Context,
  embeddingTrains: boolean,
): void {
  if (ahead) parking.fetch(layers.length - 1)
  for (const layer of [...layers].reverse()) {
    const { index } = layer
    parking.fetch(index - ahead)
    parking.arrive(index)
    const input = inputs[index]!
    layer.backward(dx, input, saved[index]!, ctx, index === 0 && !embeddingTrains)
    ctx.scope.free(input)
  }
}

/** The tensors to offload, each with its place. Adapter activations are small and stay on the device. */
function offloaded(saved: LayerSaved, plan: LayerPlan): Place[] {
  const { qkv, attention, attnResidual, mlp } = saved
  const places: Place[] = []
  if (plan.qkv === 'offload') places.push(...placesIn(qkv!, ['q', 'k', 'v']))
  if (plan.attention === 'offload') places.push(...placesIn(attention!, ['out', 'lse']))
  if (plan.attnResidual === 'offload') places.push([attnResidual!, (t) => (saved.attnResidual = t)])
  if (plan.mlp === 'offload')
    for (const { inputs } of mlp) {
      const names = ['gate', 'up', ...(inputs!.output ? ['output'] : [])]
      places.push(...placesIn(inputs as unknown as Record<string, Tensor>, names))
    }
  return places
}

type Place = [tensor: Tensor, put: (tensor: Tensor) => void]

function placesIn<K extends string>(owner: Record<K, Tensor>, keys: readonly K[]): Place[] {
  return keys.map((key) => [owner[key], (t) => (owner[key] = t)])
}
