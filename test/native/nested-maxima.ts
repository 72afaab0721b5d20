import type { BlockMaxima } from '../../src/native/contract'
import { dynamicMap } from '../../src/quantization/codes'
import { normals, tensor } from './harness'

interface NestedMaxima {
  /** As the 4-bit operations take them. */
  nested: BlockMaxima
  /** What they stand for, by the definition: rounded after the product and after the sum. */
  restored: Float64Array
}

/** Double-quantized maxima of `blocks` blocks. */
export function nestedMaxima(blocks: number, blocksize: number): NestedMaxima {
  const q = Uint8Array.from(normals(blocks, 9), (x) => Math.floor(Math.abs(x) * 1000) & 255)
  const map = dynamicMap(true)
  const most = normals(Math.ceil(blocks / blocksize), 10).map((x) => Math.fround(0.1 + Math.abs(x)))
  const offset = Math.fround(1.3)
  const restored = Float64Array.from(q, (code, i) =>
    Math.fround(Math.fround(map[code]! * most[Math.floor(i / blocksize)]!) + offset),
  )
  const nested: BlockMaxima = [
    tensor(q, [blocks], 'uint8'),
    tensor(map, [256]),
    tensor(most, [most.length]),
    tensor([offset], [1]),
    blocksize,
  ]
  return { nested, restored }
}
