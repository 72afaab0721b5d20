import type { Retention } from './memory-plan'
import { withScope, type Context } from '../nn/context'
import type { MLP, MlpSaved } from '../nn/mlp'
import { project, type LowRank } from '../nn/projections'
import type { RMSNorm } from '../nn/rms-norm'
import type { Scope } from '../tensor/scope'
import { add, scaled } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'

// The second half of a layer, y = attnResidual + mlp(norm(attnResidual)), a tile of tokens at a time: gate and up exist for one tile.

/** What backward has of the tokens [begin, end); `inputs` undefined = to be recomputed. */
export interface MlpTile {
  begin: number
  end: number
  inputs: Pick<MlpSaved, 'gate' | 'up' | 'lowRank'> | undefined
  downLowRank: LowRank
}

interface MlpHalf {
  norm: RMSNorm
  mlp: MLP
  /** Of what the MLP gives. */
  scale: number
}

/** Adds scale * mlp(norm(attnResidual)) to attnResidual, into y, which may be attnResidual. What is kept goes to `ctx.scope`. */
export function forwardMlp(
  { norm, mlp, scale }: MlpHalf,
  attnResidual: Tensor,
  y: Tensor,
  ctx: Context,
  fate: Retention,
  tileRows: number,
): MlpTile[] {
  return tilesOf(attnResidual.rows, tileRows).map(([begin, end]) => {
    using scope = attnResidual.device.scope()
    const c = tileContext(ctx, scope, begin)
    const rows = scope.add(attnResidual.slice(begin, end))
    const norm2 = norm.forward(rows, c).y
    const product = mlp.forward(norm2, c)
    scope.free(norm2)
    const { gate, up, lowRank, downLowRank } = product.saved
    const kept = fate === 'recompute' ? [] : [gate, up, ...tensorsOf(lowRank)]
    for (const t of [...kept, ...tensorsOf(downLowRank)]) ctx.scope.add(scope.keep(t))
    add(rows, product.y, scope.add(y.slice(begin, end)), scale)
    return { begin, end, inputs: fate === 'recompute' ? undefined : { gate, up, lowRank }, downLowRank }
  })
}

/** dy becomes the gradient of attnResidual, in place. Kept tensors are freed from `owner` as they are used up. */
export function backwardMlp(
  { norm, mlp, scale }: MlpHalf,
  dy: Tensor,
  attnResidual: Tensor,
  tiles: readonly MlpTile[],
  owner: Scope,
  ctx: Context,
): void {
  for (const { begin, end, inputs, downLowRank } of tiles) {
    using scope = dy.device.scope()
    const c = tileContext(ctx, scope, begin)
    const [rows, drows] = [attnResidual, dy].map((t) => scope.add(t.slice(begin, end))) as [Tensor, Tensor]
    let made = undefined as ReturnType<RMSNorm['forward']> | undefined
    const norm2 = (): ReturnType<RMSNorm['forward']> => (made ??= norm.forward(rows, c))
    const { gate, up, lowRank } = inputs ?? mlpInputs(mlp, norm2().y, c)
    if (made && tiles.length > 1) {
      // Where memory is that short, it is made twice.
      for (const t of Object.values(made)) scope.free(t)
      made = undefined
    }
    const dbranch = scaled(drows, scale, scope)
    const dnorm2 = mlp.backward(dbranch, () => norm2().y, { gate, up, lowRank, downLowRank }, c)
    norm.backward(dnorm2, rows, norm2().rstd, drows, drows)
    if (inputs) for (const t of [gate, up, ...tensorsOf(lowRank)]) owner.free(t)
  }
}

function mlpInputs(mlp: MLP, x: Tensor, ctx: Context): Pick<MlpSaved, 'gate' | 'up' | 'lowRank'> {
  const { ys, lowRank } = project([mlp.gate_proj, mlp.up_proj], x, ctx)
  const [gate, up] = ys as [Tensor, Tensor]
  return { gate, up, lowRank }
}

/** Every tensor of by-products; those that are rows of one share its memory. */
export function tensorsOf({ each, stacked }: LowRank): Tensor[] {
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
