import { Checkpoint } from '../files/checkpoint'
import { GgufCheckpoint } from './gguf-checkpoint'
import { namingFile } from '../files/naming'
import type { TensorInfo } from '../files/safetensors'
import type { Device } from '../tensor/device'
import { isFloat, type DType, type FloatDType } from '../tensor/dtype'
import { copy } from '../tensor/ops'
import { readTensor } from '../tensor/safetensors'
import { Tensor } from '../tensor/tensor'

/** The source of a model's tensors, by checkpoint key. */
export interface WeightSource {
  /** The file, or the folder of files; for messages. */
  readonly path: string
  has(name: string): boolean
  names(): string[]
  /** Shape as stored. @throws Error when the name is missing. */
  shape(name: string): number[]
  /** The tensor on the device, converted to `dtype` if given. The caller owns it. */
  load(name: string, device: Device, dtype?: FloatDType): Promise<Tensor>
  /** Where the tensor's plain array is in a file; undefined: `load` computes the tensor. */
  location?(name: string): TensorInfo | undefined
  /** Dtype of what is not quantized, if the configuration names none. */
  readonly dtype: FloatDType
  /** Raw bytes of small tensors, such as a quant state's JSON. */
  bytes(name: string): Promise<Uint8Array>
  close(): Promise<void>
}

/** A folder of safetensors files; bytes are read from the file to the device without passing through JavaScript. */
export class SafetensorsSource implements WeightSource {
  private constructor(private readonly checkpoint: Checkpoint) {}

  get path(): string {
    return this.checkpoint.folder
  }

  /**
   * The dtype of the first floating-point tensor by name in the first file, as in transformers; float32 if
   * there is none.
   */
  get dtype(): FloatDType {
    const all = [...this.checkpoint.tensors.values()].sort((a, b) =>
      a.file === b.file ? (a.name < b.name ? -1 : 1) : a.file < b.file ? -1 : 1,
    )
    const known: Readonly<Record<string, FloatDType>> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' }
    return all.map(({ dtype }) => known[dtype]).find((dtype) => dtype !== undefined) ?? 'float32'
  }

  static async open(folder: string): Promise<SafetensorsSource> {
    return new SafetensorsSource(await Checkpoint.open(folder))
  }

  has(name: string): boolean {
    return this.checkpoint.tensors.has(name)
  }

  names(): string[] {
    return [...this.checkpoint.tensors.keys()]
  }

  shape(name: string): number[] {
    return this.location(name).shape
  }

  async load(name: string, device: Device, dtype?: FloatDType): Promise<Tensor> {
    return converted(await readTensor(this.location(name), device), dtype, name)
  }

  bytes(name: string): Promise<Uint8Array> {
    return this.checkpoint.read(name)
  }

  close(): Promise<void> {
    return this.checkpoint.close()
  }

  location(name: string): TensorInfo {
    const info = this.checkpoint.tensors.get(name)
    if (!info) throw new Error(`${this.checkpoint.folder}: the checkpoint has no tensor '${name}'`)
    return info
  }
}

/** A GGUF file; its block formats are dequantized to float32. */
export class GgufSource implements WeightSource {
  private constructor(private readonly gguf: GgufCheckpoint) {}

  get path(): string {
    return this.gguf.file.path
  }

  static async open(path: string): Promise<GgufSource> {
    return namingFile(path, async () => new GgufSource(await GgufCheckpoint.open(path)))
  }

  get config(): Record<string, unknown> {
    return this.gguf.config
  }

  readonly dtype = 'float32'

  has(name: string): boolean {
    return this.gguf.tensors.has(name)
  }

  names(): string[] {
    return [...this.gguf.tensors.keys()]
  }

  shape(name: string): number[] {
    const info = this.gguf.tensors.get(name)
    if (!info) throw new Error(`${this.gguf.file.path}: the file has no tensor '${name}'`)
    return info.shape
  }

  async load(name: string, device: Device, dtype?: FloatDType): Promise<Tensor> {
    const values = await this.gguf.read(name)
    const at = values.findIndex((value) => !Number.isFinite(value))
    if (at >= 0)
      throw new Error(
        `${this.path}: tensor '${this.gguf.tensors.get(name)?.name}' is NaN or infinite at element ${at}; the file is damaged`,
      )
    return converted(Tensor.from(values, { shape: this.shape(name), device }), dtype, name)
  }

  bytes(name: string): Promise<Uint8Array> {
    return Promise.reject(new Error(`${this.gguf.file.path}: '${name}' has no raw form in a GGUF file`))
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

/** The tensor in the requested dtype; if that differs, the stored tensor is disposed of. */
export function converted(stored: Tensor, dtype: FloatDType | undefined, name: string): Tensor {
  if (dtype === undefined || stored.dtype === dtype) return stored
  if (!isFloat(stored.dtype as DType)) throw new Error(`'${name}' is ${stored.dtype}; expected a float dtype`)
  const out = stored.device.empty(stored.shape, dtype)
  copy(stored, out)
  stored.dispose()
  return out
}
