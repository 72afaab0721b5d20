import type { Device } from '../tensor/device'
import { parseJsonObject } from '../files/json'
import { parseFloatDType, type DType, type FloatDType } from '../tensor/dtype'
import { Tensor } from '../tensor/tensor'
import type { Weight4bit } from './weight-4bit'

/** What is read from a checkpoint to load a quantized weight. */
export interface QuantizedSource {
  has(name: string): boolean
  load(name: string, device: Device): Promise<Tensor>
  bytes(name: string): Promise<Uint8Array>
}

/** The JSON that is stored as a uint8 tensor beside the codes. */
interface QuantState {
  quant_type: QuantType
  blocksize: number
  dtype: FloatDType
  shape: [number, number]
  /** Set with double quantization. */
  nested: { blocksize: number; offset: number } | undefined
}

const TYPES = ['nf4', 'fp4'] as const
type QuantType = (typeof TYPES)[number]

const keyOf = (name: string, type: QuantType): string => `${name}.weight.quant_state.bitsandbytes__${type}`

/** Whether the checkpoint holds `name` as bitsandbytes' 4-bit codes. */
export function isPrequantized(source: { has(name: string): boolean }, name: string): boolean {
  return TYPES.some((type) => source.has(keyOf(name, type)))
}

/**
 * Reads the linear layer `name` as bitsandbytes saved it: `weight`, `weight.absmax`, `weight.quant_state.*`
 * and, with double quantization, `weight.nested_absmax` and `weight.nested_quant_map`.
 *
 * @throws Error naming the tensor, when the state is not valid JSON or contradicts its key, when sizes do not
 * fit the shape, or when block maxima are not finite.
 */
export async function loadPrequantized(
  source: QuantizedSource,
  name: string,
  device: Device,
): Promise<Weight4bit> {
  const type = TYPES.find((one) => source.has(keyOf(name, one)))!
  const key = keyOf(name, type)
  const state = readState(key, type, await source.bytes(key))
  const stored = await source.load(`${name}.weight`, device)
  const elements = state.shape[0] * state.shape[1]
  const expected = Math.ceil(elements / 2)
  if (stored.nbytes !== expected)
    throw new Error(
      `'${name}.weight' holds ${stored.nbytes} bytes of codes; its shape (${state.shape.join(', ')}) needs ${expected}`,
    )
  const blocks = Math.ceil(elements / state.blocksize)
  const load = async (part: string, dtype: DType, length: number): Promise<Tensor> => {
    const tensor = await source.load(`${name}.weight.${part}`, device)
    if (tensor.dtype !== dtype || tensor.numel !== length)
      throw new Error(
        `'${name}.weight.${part}' is ${tensor.numel} values of ${tensor.dtype}; its quantization needs ${length} of ${dtype}`,
      )
    if (dtype === 'float32' && !(await tensor.data()).every(Number.isFinite))
      throw new Error(`'${name}.weight.${part}' has a value that is NaN or infinite`)
    return tensor
  }
  const { nested } = state
  if (!nested && source.has(`${name}.weight.nested_absmax`))
    throw new Error(`'${key}': the checkpoint has nested_absmax, but the state has no nested_offset`)
  return {
    quantType: state.quant_type,
    blocksize: state.blocksize,
    shape: state.shape,
    dtype: state.dtype,
    codes: bytesOf(stored),
    absmax: nested
      ? {
          q: await load('absmax', 'uint8', blocks),
          codeMap: await load('nested_quant_map', 'float32', 256),
          absmax: await load('nested_absmax', 'float32', Math.ceil(blocks / nested.blocksize)),
          offset: Tensor.from(Float32Array.of(nested.offset), { device }),
          blocksize: nested.blocksize,
        }
      : await load('absmax', 'float32', blocks),
  }
}

function readState(key: string, type: QuantType, bytes: Uint8Array): QuantState {
  const state = parseJsonObject(`'${key}'`, new TextDecoder().decode(bytes))
  const fail = (field: string, expected: string): never => {
    throw new Error(`'${key}': ${field} is ${JSON.stringify(state[field])}; expected ${expected}`)
  }
  const blocksize = (field: string, value: unknown): number =>
    typeof value === 'number' && BLOCKSIZES.includes(value)
      ? value
      : fail(field, `one of ${BLOCKSIZES.join(', ')}`)
  const { quant_type, dtype, shape, nested_blocksize = 256, nested_offset: offset } = state
  if (quant_type !== type) fail('quant_type', `'${type}', as the tensor's name says`)
  const isSize = (size: unknown): boolean => Number.isSafeInteger(size) && (size as number) > 0
  if (!Array.isArray(shape) || shape.length !== 2 || !shape.every(isSize))
    fail('shape', 'two positive integers')
  const nested =
    offset === undefined ? undefined : { blocksize: blocksize('nested_blocksize', nested_blocksize) }
  if (nested && (typeof offset !== 'number' || !Number.isFinite(Math.fround(offset))))
    fail('nested_offset', 'a finite number')
  return {
    quant_type: type,
    blocksize: blocksize('blocksize', state['blocksize']),
    dtype:
      typeof dtype === 'string' ? parseFloatDType(dtype, `'${key}': dtype`) : fail('dtype', 'a float dtype'),
    shape: shape as [number, number],
    nested: nested && { ...nested, offset: offset as number },
  }
}

/** The block sizes of bitsandbytes. */
const BLOCKSIZES: readonly number[] = [32, 64, 128, 256, 512, 1024, 2048, 4096]

/**
 * The bytes as uint8: another `quant_storage` dtype is only another name for them. The view keeps `stored`'s
 * memory.
 */
function bytesOf(stored: Tensor): Tensor {
  const codes = stored.reinterpret('uint8', [stored.nbytes])
  stored.dispose()
  return codes
}
