import type { TensorData } from '../tensor/convert'
import type { Tensor } from '../tensor/tensor'
import type { MimeBundle } from './output'

/**
 * Tensors up to this size are shown completely; of larger ones the first and last values along each axis, as in
 * PyTorch.
 */
const wholeUpTo = 1000
const edge = 3
const lineWidth = 90

/** `Tensor(shape=(2, 3), dtype=float32, device=cpu)`: the properties known without waiting. */
export function tensorText(tensor: Tensor): string {
  return tensor.isDisposed ? `${tensor.toString().slice(0, -1)}, disposed)` : tensor.toString()
}

/** Includes the values, read from the device; of a large tensor only those that are shown. */
export async function tensorBundle(tensor: Tensor): Promise<MimeBundle> {
  if (tensor.isDisposed || tensor.numel === 0) return { 'text/plain': tensorText(tensor) }
  const all = tensor.numel <= wholeUpTo ? await tensor.data<TensorData>() : undefined
  const read: Read = all
    ? async (offset, count) => [...all.subarray(offset, offset + count)]
    : async (offset, count) => {
        const part = tensor.view([count], offset)
        try {
          return [...(await part.data<TensorData>())]
        } finally {
          part.dispose()
        }
      }
  const nested = await collect(tensor.shape, 0, read, all !== undefined)
  const print = printer(flatten(nested))
  const head = 'tensor('
  const { shape, dtype, device } = tensor
  const facts = `shape=(${shape.join(', ')}), dtype=${dtype}, device=${device.name}`
  return { 'text/plain': `${head}${layOut(nested, print, head.length)}, ${facts})` }
}

type Value = number | bigint | '...'
type Nested = Value | Nested[]
type Read = (offset: number, count: number) => Promise<(number | bigint)[]>

async function collect(
  shape: readonly number[],
  offset: number,
  read: Read,
  whole: boolean,
): Promise<Nested> {
  if (shape.length === 0) return (await read(offset, 1))[0]!
  const [length, ...rest] = shape as [number, ...number[]]
  const cut = !whole && length > 2 * edge
  if (rest.length === 0) {
    if (!cut) return read(offset, length)
    return [...(await read(offset, edge)), '...', ...(await read(offset + length - edge, edge))]
  }
  const stride = rest.reduce((n, d) => n * d, 1)
  const at = Array.from({ length }, (_, i) => i)
  const shown = cut ? [...at.slice(0, edge), ...at.slice(-edge)] : at
  const parts: Nested[] = []
  for (const i of shown) {
    if (cut && i === length - edge) parts.push('...')
    parts.push(await collect(rest, offset + i * stride, read, whole))
  }
  return parts
}

/** Prints all values with the same width, as PyTorch does: 4 digits, exponents if sizes differ much. */
function printer(values: readonly Value[]): (value: Value) => string {
  const numbers = values.filter((value) => typeof value === 'number' && Number.isFinite(value)) as number[]
  const integers = values.every((value) => typeof value !== 'number' || !(value % 1))
  const sizes = numbers.map(Math.abs).filter((size) => size > 0)
  const [low, high] = [Math.min(...sizes), Math.max(...sizes)]
  const differ = high / low > 1000 && !integers
  const exponents = sizes.length > 0 && (differ || high >= 1e8 || high < 1e-4)
  const text = (value: Value): string => {
    if (typeof value !== 'number' || !Number.isFinite(value)) return String(value)
    if (integers && !exponents) return String(value)
    return exponents ? value.toExponential(4) : value.toFixed(4)
  }
  const width = Math.max(...values.map((value) => (value === '...' ? 0 : text(value).length)))
  return (value) => (value === '...' ? value : text(value).padStart(width))
}

function layOut(nested: Nested, print: (value: Value) => string, indent: number): string {
  if (!Array.isArray(nested)) return print(nested)
  const inner = indent + 1
  if (!nested.some(Array.isArray)) return `[${wrapped((nested as Value[]).map(print), inner)}]`
  const deep = depthOf(nested)
  const gap = `,${'\n'.repeat(deep - 1)}${' '.repeat(inner)}`
  return `[${nested.map((part) => layOut(part, print, inner)).join(gap)}]`
}

function wrapped(texts: readonly string[], indent: number): string {
  const perLine = Math.max(1, Math.floor((lineWidth - indent) / ((texts[0]?.length ?? 0) + 2)))
  const lines: string[] = []
  for (let i = 0; i < texts.length; i += perLine) lines.push(texts.slice(i, i + perLine).join(', '))
  return lines.join(`,\n${' '.repeat(indent)}`)
}

function flatten(nested: Nested): Value[] {
  return Array.isArray(nested) ? nested.flatMap(flatten) : [nested]
}

function depthOf(nested: Nested): number {
  return Array.isArray(nested) ? 1 + Math.max(0, ...nested.map(depthOf)) : 0
}
