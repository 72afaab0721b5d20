/** A float64 matrix, by columns. */
export type Columns = Float64Array[]

/** The terms of a singular value decomposition, the largest first: left @ right^T. */
export interface Factors {
  /** Columns u_i * s_i. */
  left: Columns
  /** Columns v_i. */
  right: Columns
}

const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0)

/**
 * Orthonormal columns that span those of `x`, and r with x = q r. A column that depends on those before it
 * gives a column of zeros. Modified Gram-Schmidt, applied twice, which keeps the columns orthogonal up to
 * rounding.
 */
export function orthonormal(x: Columns): { q: Columns; r: number[][] } {
  const q: Columns = []
  const r = x.map(() => Array<number>(x.length).fill(0))
  x.forEach((column, j) => {
    const rest = column.slice()
    const size = Math.sqrt(dot(column, column))
    for (let pass = 0; pass < 2; pass++) {
      q.forEach((unit, i) => {
        const share = dot(unit, rest)
        r[i]![j]! += share
        for (let k = 0; k < rest.length; k++) rest[k]! -= share * unit[k]!
      })
    }
    const norm = Math.sqrt(dot(rest, rest))
    const isNew = norm > 1e-12 * size
    r[j]![j] = isNew ? norm : 0
    q.push(rest.map((value) => (isNew ? value / norm : 0)))
  })
  return { q, r }
}

/**
 * The best approximation of left @ right^T with rank `rank` (Eckart and Young 1936), without computing that
 * product: both are made orthonormal, and the small matrix between them is decomposed with one-sided Jacobi
 * rotations.
 */
export function bestOfRank(left: Columns, right: Columns, rank: number): Factors {
  const [a, b] = [orthonormal(left), orthonormal(right)]
  const n = left.length
  // m = ra @ rb^T by columns; v accumulates the rotations of its columns.
  const m = Array.from({ length: n }, (_, j) =>
    Float64Array.from({ length: n }, (_unused, i) => a.r[i]!.reduce((sum, x, k) => sum + x * b.r[j]![k]!, 0)),
  )
  const v = Array.from({ length: n }, (_, j) =>
    Float64Array.from({ length: n }, (_unused, i) => Number(i === j)),
  )
  for (let sweep = 0; sweep < 60 && rotateAll(m, v); sweep++);
  const order = m
    .map((column, i) => ({ i, size: Math.sqrt(dot(column, column)) }))
    .sort((x, y) => y.size - x.size)
  const kept = order.slice(0, rank)
  return {
    left: kept.map(({ i }) => combine(a.q, m[i]!)),
    right: kept.map(({ i }) => combine(b.q, v[i]!)),
  }
}

/** Rotates each pair of columns to make them orthogonal; returns whether any was not. */
function rotateAll(m: Columns, v: Columns): boolean {
  let turned = false
  for (let i = 0; i < m.length; i++)
    for (let j = i + 1; j < m.length; j++) {
      const [x, y, xy] = [dot(m[i]!, m[i]!), dot(m[j]!, m[j]!), dot(m[i]!, m[j]!)]
      if (Math.abs(xy) <= 1e-15 * Math.sqrt(x * y)) continue
      turned = true
      const zeta = (y - x) / (2 * xy)
      const t = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.sqrt(1 + zeta * zeta))
      const c = 1 / Math.sqrt(1 + t * t)
      for (const matrix of [m, v]) turn(matrix[i]!, matrix[j]!, c, c * t)
    }
  return turned
}

function turn(p: Float64Array, q: Float64Array, c: number, s: number): void {
  for (let k = 0; k < p.length; k++) {
    const value = p[k]!
    p[k] = c * value - s * q[k]!
    q[k] = s * value + c * q[k]!
  }
}

function combine(columns: Columns, shares: Float64Array): Float64Array {
  const out = new Float64Array(columns[0]!.length)
  columns.forEach((column, j) => {
    for (let k = 0; k < out.length; k++) out[k]! += shares[j]! * column[k]!
  })
  return out
}
