import type { Retention } from './memory-plan'
import { withScope, type Context } from '../nn/context'
import type { MLP, MlpInner } from '../nn/mlp'
import type { LowRank } from '../nn/projections'
import type { RMSNorm } from '../nn/rms-norm'
import type { Scope } from '../tensor/scope'
import { add, scaled } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'

// The second half of a layer, y = attnResidual + after(mlp(before(attnResidual))), tile by tile of tokens: gate
// and up exist for one tile at a time.

/** What backward has for the tokens [begin, end); `inputs` undefined = to be recomputed. */
export interface MlpTile {
  begin: number
  end: number
  inputs: MlpInputs | undefined
  downLowRank: LowRank
}

/** Gate and up and, if a norm follows the MLP, its input: down_proj's result. */
export interface MlpInputs extends MlpInner {
  output?: Tensor
}

export interface MlpHalf {
  before: RMSNorm | undefined
  mlp: MLP
  after: RMSNorm | undefined
  /** Factor of the term that is added. */
  scale: number
}

/**
 * Writes attnResidual + scale * after(mlp(before(attnResidual))) to y, which may be attnResidual. Kept tensors
 * are in `ctx.scope`.
 */
export function forwardMlp(
  { before, mlp, after, scale }: MlpHalf,
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
    const input = normed(before, rows, c)
    const product = mlp.forward(input, c)
    if (input !== rows) scope.free(input)
    const { gate, up, lowRank, downLowRank } = product.saved
    const inputs: MlpInputs = { gate, up, lowRank, ...(after && { output: product.y }) }
    const kept = fate === 'recompute' ? [] : tensorsIn(inputs)
    for (const t of [...kept, ...tensorsOf(downLowRank)]) ctx.scope.add(scope.keep(t))
    add(rows, normed(after, product.y, c), scope.add(y.slice(begin, end)), scale)
    return { begin, end, inputs: fate === 'recompute' ? undefined : inputs, downLowRank }
  })
}

/**
 * Overwrites dy with the gradient of attnResidual. Kept tensors are freed from `owner` when they are no longer
 * needed.
 */
export function backwardMlp(
  { before, mlp, after, scale }: MlpHalf,
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
    const input = (): Tensor => (before ? (made ??= before.forward(rows, c)).y : rows)
    const inner = inputs ?? mlp.inner(input(), c)
    if (made && tiles.length > 1) {
      // Where memory is this short, it is computed twice.
      for (const t of Object.values(made)) scope.free(t)
      made = undefined
    }
    let doutput = scaled(drows, scale, scope)
    if (after) {
      const output = inputs?.output ?? mlp.output(inner, c).y
      const { y, rstd } = after.forward(output, c)
      scope.free(y)
      doutput = normGradient(after, doutput, output, rstd, scope)
      for (const t of [output, rstd]) for (const holder of [scope, owner]) holder.free(t)
    }
    const dinput = mlp.backward(doutput, input, { ...inner, downLowRank }, c)
    if (before) {
      input()
      before.backward(dinput, rows, made!.rstd, drows, drows)
    } else add(drows, dinput, drows)
    if (inputs) for (const t of tensorsIn({ ...inputs, output: undefined })) owner.free(t)
  }
}

/** norm(x), or x itself without one. */
export function normed(norm: RMSNorm | undefined, x: Tensor, ctx: Context): Tensor {
  if (!norm) return x
  const { y, rstd } = norm.forward(x, ctx)
  ctx.scope.free(rstd)
  return y
}

/** The gradient of a norm's input, a new tensor of `scope`. */
export function normGradient(norm: RMSNorm, dy: Tensor, x: Tensor, rstd: Tensor, scope: Scope): Tensor {
  const dx = scope.empty(x.shape, x.dtype)
  norm.backward(dy, x, rstd, undefined, dx)
  return dx
}

function tensorsIn({
  gate,
  up,
  lowRank,
  output,
}: Omit<MlpInputs, 'output'> & { output?: Tensor | undefined }): Tensor[] {
  return [gate, up, ...tensorsOf(lowRank), ...(output ? [output] : [])]
}

/** All tensors of adapter activations; those that are rows of one tensor share its memory. */
export function tensorsOf({ each, stacked }: LowRank): Tensor[] {
  return [...each, stacked?.all].filter((t) => t !== undefined)
}

function tilesOf(total: number, rows: number): [number, number][] {
  const count = Math.ceil(total / rows)
  return Array.from({ length: count }, (_, i) => [i * rows, Math.min((i + 1) * rows, total)])
}

/**
 * Dropout masks depend on the seed and the position in the tensor: with the same seed, every tile would drop
 * the same positions.
 */
function tileContext(ctx: Context, scope: Scope, begin: number): Context {
  const c = withScope(ctx, scope)
  return c.dropout ? { ...c, dropout: { ...c.dropout, seed: c.dropout.seed + begin * 2 ** 32 } } : c
}
