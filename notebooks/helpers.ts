/** Small matrices for the course's cells: rows of numbers, nothing fast. */
export type Matrix = number[][]

/** A tensor of two dimensions as rows. */
export async function rows(tensor: { shape: readonly number[]; data(): Promise<ArrayLike<number>> }): Promise<Matrix> {
  const values = Array.from(await tensor.data())
  const [n, m] = tensor.shape as [number, number]
  return Array.from({ length: n }, (_, i) => values.slice(i * m, (i + 1) * m))
}

export const transpose = (a: Matrix): Matrix => a[0]!.map((_, j) => a.map((row) => row[j]!))

export function matmul(a: Matrix, b: Matrix): Matrix {
  const columns = transpose(b)
  return a.map((row) => columns.map((column) => row.reduce((sum, value, k) => sum + value * column[k]!, 0)))
}

/** The singular values of a matrix, the largest first: columns are turned against each other until they are orthogonal (Jacobi). */
export function singular_values(matrix: Matrix): number[] {
  const columns = matrix.length < matrix[0]!.length ? matrix.map((row) => [...row]) : transpose(matrix)
  const dot = (a: number[], b: number[]): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0)
  for (let sweep = 0; sweep < 30; sweep++) {
    let turned = 0
    for (let p = 0; p < columns.length; p++) {
      for (let q = p + 1; q < columns.length; q++) {
        const [a, b] = [columns[p]!, columns[q]!]
        const [aa, bb, ab] = [dot(a, a), dot(b, b), dot(a, b)]
        if (Math.abs(ab) <= 1e-12 * Math.sqrt(aa * bb) + 1e-300) continue
        turned++
        const zeta = (bb - aa) / (2 * ab)
        const t = Math.sign(zeta || 1) / (Math.abs(zeta) + Math.sqrt(1 + zeta * zeta))
        const c = 1 / Math.sqrt(1 + t * t)
        for (let i = 0; i < a.length; i++) {
          const [x, y] = [a[i]!, b[i]!]
          a[i] = c * (x - t * y)
          b[i] = c * (y + t * x)
        }
      }
    }
    if (turned === 0) break
  }
  return columns.map((column) => Math.sqrt(dot(column, column))).sort((a, b) => b - a)
}

/** The model that set-up has put into the checkout; notebooks lie in notebooks/en and notebooks/zh. */
export const small_model = {
  name: '../../.cache/models/SmolLM2-135M-Instruct',
  gguf_file: 'SmolLM2-135M-Instruct.Q4_1.gguf',
}

/** 256 conversations in one recognisable style. */
export const small_data = '../data/pocket-instruct'
