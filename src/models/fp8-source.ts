import type { TensorInfo } from '../files/safetensors'
import { Device } from '../tensor/device'
import type { FloatDType } from '../tensor/dtype'
import { Tensor } from '../tensor/tensor'
import { converted, type SafetensorsSource, type WeightSource } from './weights'

/** Scales of layers that also multiply in 8 bits, which this library does not do. */
const UNUSED = /\.(weight_scale_inv|activation_scale|input_scale)$/

/**
 * A checkpoint of quant_method 'fp8': matrices in E4M3, and in `NAME_scale_inv` a factor for each block, or one
 * for all. They are read as float32, like transformers' `FineGrainedFP8Config(dequantize=True)`. Other tensors
 * are read as they are.
 */
export class Fp8Source implements WeightSource {
  constructor(
    private readonly source: SafetensorsSource,
    /** Rows and columns of a block; null: derived from the shapes of the scales. */
    private readonly block: readonly [number, number] | null,
  ) {}

  get path(): string {
    return this.source.path
  }

  get dtype(): FloatDType {
    return this.source.dtype
  }

  has(name: string): boolean {
    return this.source.has(name)
  }

  names(): string[] {
    return this.source.names().filter((name) => !UNUSED.test(name))
  }

  shape(name: string): number[] {
    return this.source.shape(name)
  }

  location(name: string): TensorInfo | undefined {
    const info = this.source.location(name)
    return info.dtype === 'F8_E4M3' ? undefined : info
  }

  async load(name: string, device: Device, dtype?: FloatDType): Promise<Tensor> {
    if (this.location(name)) return this.source.load(name, device, dtype)
    const shape = this.shape(name)
    if (shape.length !== 2) throw new Error(`'${name}' is F8_E4M3 of ${shape.length} axes; expected a matrix`)
    const [rows, columns] = shape as [number, number]
    const scales = await this.scales(name, rows, columns)
    const values = Float32Array.from(await this.source.bytes(name), (code) => E4M3[code]!)
    const { rows: blockRows, columns: blockColumns, across } = scales
    for (let row = 0, at = 0; row < rows; row++) {
      const first = Math.floor(row / blockRows) * across
      for (let column = 0; column < columns; column++, at++)
        values[at]! *= scales.values[first + Math.floor(column / blockColumns)]!
    }
    const bad = values.findIndex((value) => !Number.isFinite(value))
    if (bad >= 0) throw new Error(`'${name}' is NaN or infinite at element ${bad}; the file is damaged`)
    return converted(Tensor.from(values, { shape, device }), dtype, name)
  }

  bytes(name: string): Promise<Uint8Array> {
    return this.source.bytes(name)
  }

  close(): Promise<void> {
    return this.source.close()
  }

  /** The factors of a matrix's blocks; `across` is the number of blocks in a row. */
  private async scales(
    name: string,
    rows: number,
    columns: number,
  ): Promise<{ values: Float32Array; rows: number; columns: number; across: number }> {
    const key = `${name}_scale_inv`
    if (!this.has(key)) throw new Error(`'${name}' is F8_E4M3, but the checkpoint has no '${key}'`)
    using tensor = await this.source.load(key, Device.get('cpu'), 'float32')
    const values = await tensor.data<Float32Array>()
    const shape = this.shape(key)
    if (values.length === 1) return { values, rows, columns, across: 1 }
    const [down = 0, across = 0] = shape
    const size = this.block ?? [Math.ceil(rows / down), Math.ceil(columns / across)]
    const expected = [Math.ceil(rows / size[0]), Math.ceil(columns / size[1])]
    if (shape.join() !== expected.join())
      throw new Error(
        `'${key}' has shape (${shape.join(', ')}); blocks of ${size.join(' x ')} of a matrix (${rows}, ${columns}) need (${expected.join(', ')})`,
      )
    return { values, rows: size[0], columns: size[1], across }
  }
}

/** `weight_block_size` of a quantization_config; null if none. @throws Error when it is not a pair of sizes. */
export function fp8Block({
  weight_block_size: size = null,
}: Record<string, unknown>): [number, number] | null {
  if (size === null) return null
  const isSize = (value: unknown): boolean => Number.isInteger(value) && (value as number) > 0
  if (!Array.isArray(size) || size.length !== 2 || !size.every(isSize))
    throw new Error(
      `config: quantization_config: weight_block_size must be two positive integers or null, got ${JSON.stringify(size)}`,
    )
  return size as [number, number]
}

/**
 * The values of E4M3 by code: sign, 4 exponent bits with bias 7, 3 fraction bits; no infinity, one NaN of each
 * sign.
 */
const E4M3: Float32Array = Float32Array.from({ length: 256 }, (_, code) => {
  const exponent = (code >> 3) & 15
  const fraction = code & 7
  if (exponent === 15 && fraction === 7) return NaN
  const magnitude = exponent === 0 ? fraction * 2 ** -9 : (1 + fraction / 8) * 2 ** (exponent - 7)
  return code & 128 ? -magnitude : magnitude
})
