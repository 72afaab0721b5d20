import type { Fate } from './memory-plan'
import { withScope, type Context } from '../nn/context'
import type { MLP, MlpSaved } from '../nn/mlp'
import { project, type Downs } from '../nn/projections'
import type { RMSNorm } from '../nn/rms-norm'
import type { Scope } from '../tensor/scope'
import { add } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'

// The second half of a layer, y = middle + mlp(norm(middle)), a tile of tokens at a time: gate and up exist for one tile.

/** What backward has of the tokens [begin, end); `inputs` undefined = to be made again. */
export interface MlpTile {
  begin: number
  end: number
  inputs: Pick<MlpSaved, 'gate' | 'up' | 'downs'> | undefined
  outDowns: Downs
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
  fate: Fate,
  tileRows: number,
): MlpTile[] {
  return tilesOf(middle.rows, tileRows).map(([begin, end]) => {
    using scope = middle.device.scope()
    const c = tileContext(ctx, scope, begin)
    const rows = scope.add(middle.slice(begin, end))
    const norm2 = norm.forward(rows, c).y
    const product = mlp.forward(norm2, c)
    scope.free(norm2)
    const { gate, up, downs, outDowns } = product.saved
    const kept = fate === 'recompute' ? [] : [gate, up, ...tensorsOf(downs)]
    for (const t of [...kept, ...tensorsOf(outDowns)]) ctx.scope.add(scope.keep(t))
    add(rows, product.y, scope.add(y.slice(begin, end)))
    return { begin, end, inputs: fate === 'recompute' ? undefined : { gate, up, downs }, outDowns }
  })
}

/** dy becomes the gradient of middle, in place. Kept tensors are freed from `owner` as they are used up. */
export function backwardMlp(
  { norm, mlp }: MlpHalf,
  dy: Tensor,
  middle: Tensor,
  tiles: readonly MlpTile[],
  owner: Scope,
  ctx: Context,
): void {
  for (const { begin, end, inputs, outDowns } of tiles) {
    using scope = dy.device.scope()
    const c = tileContext(ctx, scope, begin)
    const [rows, drows] = [middle, dy].map((t) => scope.add(t.slice(begin, end))) as [Tensor, Tensor]
    let made = undefined as ReturnType<RMSNorm['forward']> | undefined
    const norm2 = (): ReturnType<RMSNorm['forward']> => (made ??= norm.forward(rows, c))
    const { gate, up, downs } = inputs ?? mlpInputs(mlp, norm2().y, c)
    if (made && tiles.length > 1) {
      // Where memory is that short, it is made twice.
      for (const t of Object.values(made)) scope.free(t)
      made = undefined
    }
    const dnorm2 = mlp.backward(drows, () => norm2().y, { gate, up, downs, outDowns }, c)
    norm.backward(dnorm2, rows, norm2().rstd, drows, drows)
    if (inputs) for (const t of [gate, up, ...tensorsOf(downs)]) owner.free(t)
  }
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
