import type { Fate } from './memory-plan'
import { withScope, type Context } from '../nn/context'
import type { MLP, MlpSaved } from '../nn/mlp'
import { project, type Downs } from '../nn/projections'
import type { RMSNorm } from '../nn/rms-norm'
import type { Scope } from '../tensor/scope'
import { add } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'
import type { Parking } from './parking'

// The second half of a layer, y = middle + mlp(norm(middle)), a tile of tokens at a time: gate and up exist for one tile.

/** What backward has of the tokens [begin, end), or once it is fetched; `inputs` undefined = to be made again. */
export interface MlpTile {
  begin: number
  end: number
  inputs: Pick<MlpSaved, 'gate' | 'up' | 'downs'> | undefined
  outDowns: Downs
}

/** What becomes of an MLP's gate and up. */
export interface MlpTiling {
  fate: Fate
  /** Tokens in a tile. */
  rows: number
  /** With 'offload': how many tiles, the first ones, go to the host; the others are made again. */
  offloaded: number
  /** Where they go. Without it they are kept. */
  parking: Parking | undefined
  /** The layer's index. */
  layer: number
}

interface MlpHalf {
  norm: RMSNorm
  mlp: MLP
}

/** Adds mlp(norm(middle)) to middle, into y, which may be middle. What is kept goes to `ctx.scope`. */
export function forwardMlp(
  { norm, mlp }: MlpHalf,
  middle: Tensor,
  y: Tensor,
  ctx: Context,
  { fate, rows: tileRows, offloaded, parking, layer }: MlpTiling,
): MlpTile[] {
  const spans = tilesOf(middle.rows, tileRows)
  return spans.map(([begin, end], i) => {
    using scope = middle.device.scope()
    const c = tileContext(ctx, scope, begin)
    const leaves = fate === 'offload' && i < offloaded
    // Two at a time on the device: one on its way, one at work.
    if (leaves && i > 0) parking?.settle(TILE_TENSORS)
    const rows = scope.add(middle.slice(begin, end))
    const norm2 = norm.forward(rows, c).y
    const product = mlp.forward(norm2, c)
    scope.free(norm2)
    const { gate, up, downs, outDowns } = product.saved
    const inputs = fate === 'keep' || leaves ? { gate, up, downs } : undefined
    for (const t of [...(inputs ? [gate, up, ...tensorsOf(downs)] : []), ...tensorsOf(outDowns)])
      ctx.scope.add(scope.keep(t))
    add(rows, product.y, scope.add(y.slice(begin, end)))
    const tile: MlpTile = { begin, end, inputs, outDowns }
    if (leaves && parking) {
      // Backward begins with the last tile: it comes back with the layer.
      const lot = i === spans.length - 1 ? layer : tile
      parking.park(lot, gate, ctx.scope, (t) => (inputs!.gate = t))
      parking.park(lot, up, ctx.scope, (t) => (inputs!.up = t))
    }
    return tile
  })
}

/** Of a tile, those that go to the host: gate and up. */
export const TILE_TENSORS = 2

/** dy becomes the gradient of middle, in place. Kept tensors are freed from `owner` as they are used up. */
export function backwardMlp(
  { norm, mlp }: MlpHalf,
  dy: Tensor,
  middle: Tensor,
  tiles: readonly MlpTile[],
  owner: Scope,
  ctx: Context,
  parking?: Parking,
): void {
  tiles.forEach((_, i) => {
    const [tile, next] = [tiles.at(-1 - i)!, tiles.at(-2 - i)]
    if (i < tiles.length - 1) parking?.fetch(next!)
    parking?.arrive(tile)
    const { begin, end, inputs, outDowns } = tile
    using scope = dy.device.scope()
    const c = tileContext(ctx, scope, begin)
    const [rows, drows] = [middle, dy].map((t) => scope.add(t.slice(begin, end))) as [Tensor, Tensor]
    const norm2 = norm.forward(rows, c)
    const { gate, up, downs } = inputs ?? mlpInputs(mlp, norm2.y, c)
    const dnorm2 = mlp.backward(drows, norm2.y, { gate, up, downs, outDowns }, c)
    norm.backward(dnorm2, rows, norm2.rstd, drows, drows)
    if (inputs) for (const t of [gate, up, ...tensorsOf(downs)]) owner.free(t)
  })
}

function mlpInputs(mlp: MLP, x: Tensor, ctx: Context): Pick<MlpSaved, 'gate' | 'up' | 'downs'> {
  const { ys, downs } = project([mlp.gate_proj, mlp.up_proj], x, ctx)
  const [gate, up] = ys as [Tensor, Tensor]
  return { gate, up, downs }
}

/** Every tensor of by-products; those that are rows of one share its memory. */
export function tensorsOf({ each, stacked }: Downs): Tensor[] {
  return [...each, stacked?.all].filter((t) => t !== undefined)
}

function tilesOf(total: number, rows: number): [number, number][] {
  const count = Math.ceil(total / rows)
  return Array.from({ length: count }, (_, i) => [i * rows, Math.min((i + 1) * rows, total)])
}

/** Masks are a function of seed and position in the tensor: without a seed of its own each tile would drop the same places. */
function tileContext(ctx: Context, scope: Scope, begin: number): Context {
  const c = withScope(ctx, scope)
  return c.dropout ? { ...c, dropout: { ...c.dropout, seed: c.dropout.seed + begin * 2 ** 32 } } : c
}
