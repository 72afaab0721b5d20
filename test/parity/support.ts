import { readFileSync } from 'node:fs'
import { Device } from '../../src/tensor/device'
import { load_safetensors } from '../../src/tensor/safetensors'
import type { Tensor } from '../../src/tensor/tensor'
import type { TensorData } from '../../src/tensor/convert'
import { golden } from '../support/shared'

export { relative } from '../gpu/support-replay.mjs'

/** Numbers of every tensor of a golden file. */
export async function goldenTensors(
  ...path: string[]
): Promise<Map<string, { shape: readonly number[]; data: ArrayLike<number> }>> {
  const tensors = await load_safetensors(golden(...path))
  const result = new Map<string, { shape: readonly number[]; data: ArrayLike<number> }>()
  for (const [name, tensor] of Object.entries(tensors)) {
    const data = await tensor.data<TensorData>()
    result.set(name, {
      shape: tensor.shape,
      data: data instanceof BigInt64Array ? Array.from(data, Number) : data,
    })
    tensor.dispose()
  }
  return result
}

export function goldenJson<T>(...path: string[]): T {
  return JSON.parse(readFileSync(golden(...path), 'utf8')) as T
}

/** Largest |a - b|; NaN when any is. */
export function maxAbs(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return NaN
  let max = 0
  for (let i = 0; i < a.length; i++) {
    const d = Math.abs(a[i]! - b[i]!)
    if (!(d <= max)) max = d
  }
  return max
}

export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let dot = 0
  let aa = 0
  let bb = 0
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!
    aa += a[i]! ** 2
    bb += b[i]! ** 2
  }
  return aa === 0 && bb === 0 ? 1 : dot / Math.sqrt(aa * bb)
}

/** Share of elements with |a - b| <= tolerance. */
export function shareWithin(a: ArrayLike<number>, b: ArrayLike<number>, tolerance: number): number {
  let within = 0
  for (let i = 0; i < a.length; i++) if (Math.abs(a[i]! - b[i]!) <= tolerance) within++
  return within / a.length
}

/** Rows of a [B, S] tensor. */
export function rowsOf(tensor: { shape: readonly number[]; data: ArrayLike<number> }): number[][] {
  const [rows, cols] = tensor.shape as [number, number]
  return Array.from({ length: rows }, (_, r) =>
    Array.from({ length: cols }, (_, c) => Number(tensor.data[r * cols + c])),
  )
}

/** Values of rows [B, S, n] where the mask is 1. */
export function masked(values: ArrayLike<number>, mask: number[][], width: number): Float64Array {
  const flat = mask.flat()
  const kept: number[] = []
  flat.forEach((m, t) => {
    if (m) for (let j = 0; j < width; j++) kept.push(values[t * width + j]!)
  })
  return Float64Array.from(kept)
}

/** Fails when the device still holds tensors of a test. */
export async function liveBytes(): Promise<number> {
  await Device.get('cpu').synchronize()
  return Device.get('cpu').memoryStats().allocated
}

export async function numbers(tensor: Tensor): Promise<Float32Array> {
  return await tensor.data()
}
