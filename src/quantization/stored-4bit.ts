import type { SafetensorsEntry } from '../files/safetensors-write'
import type { DType } from '../tensor/dtype'
import { itemsize, toSafetensorsDType } from '../tensor/dtype'
import type { Tensor } from '../tensor/tensor'
import { code4bit } from './codes'
import { isNested, type Weight4bit } from './weight-4bit'

/** How a 4-bit weight is stored: properties that are known before the weight itself is requested. */
export interface Stored4bit {
  quantType: 'nf4' | 'fp4'
  blocksize: number
  /** Whether the maxima are quantized too, in blocks of 256. */
  nested: boolean
  shape: readonly [number, number]
  dtype: DType
  /** Dtype under which the codes are stored; their bytes are the same. */
  storage: DType
}

const NESTED_BLOCKSIZE = 256
/**
 * Length of the state's JSON, padded with spaces: it must be known before the numbers are, and what follows
 * must be aligned.
 */
const STATE_BYTES = 320

/**
 * The tensors of the linear layer `name` in bitsandbytes' layout, float32 ones first. `take` returns the weight
 * when the first of them is written; `release` frees it after the last.
 */
export function entries4bit(
  name: string,
  stored: Stored4bit,
  take: () => Promise<Weight4bit>,
  release: (weight: Weight4bit) => void,
): SafetensorsEntry[] {
  const { quantType, blocksize, nested, shape, storage } = stored
  const values = shape[0] * shape[1]
  const blocks = Math.ceil(values / blocksize)
  const codeBytes = Math.ceil(values / 2)
  if (codeBytes % itemsize[storage] !== 0)
    throw new Error(
      `'${name}': ${codeBytes} bytes of codes cannot be stored as ${storage} (bnb_4bit_quant_storage)`,
    )
  let taken: Promise<Weight4bit> | undefined
  const weight = (): Promise<Weight4bit> => (taken ??= take())
  const entry = (
    part: string,
    dtype: DType,
    sizes: readonly number[],
    data: (weight: Weight4bit) => Uint8Array | Promise<Uint8Array>,
  ): SafetensorsEntry => ({
    ...{ name: `${name}.weight${part}`, dtype: toSafetensorsDType(dtype), shape: sizes },
    data: async () => data(await weight()),
  })
  const map = code4bit[quantType]
  const second = (w: Weight4bit): Extract<Weight4bit['absmax'], { codeMap: Tensor }> => {
    if (isNested(w.absmax)) return w.absmax
    throw new Error(`'${name}': the maxima are not quantized`)
  }
  const maxima = nested
    ? [
        entry('.nested_absmax', 'float32', [Math.ceil(blocks / NESTED_BLOCKSIZE)], (w) =>
          second(w).absmax.bytes(),
        ),
        entry('.nested_quant_map', 'float32', [256], (w) => second(w).codeMap.bytes()),
        entry('.absmax', 'uint8', [blocks], (w) => second(w).q.bytes()),
      ]
    : [entry('.absmax', 'float32', [blocks], (w) => (w.absmax as Tensor).bytes())]
  // The next layer's float32 tensors must begin at a multiple of 8, whatever the sizes before.
  const stateBytes = STATE_BYTES - (((nested ? blocks : 0) + codeBytes) % 8)
  return [
    entry('.quant_map', 'float32', [16], () => new Uint8Array(map.buffer, map.byteOffset, map.byteLength)),
    ...maxima,
    entry('', storage, [codeBytes / itemsize[storage], 1], (w) => w.codes.bytes()),
    entry(`.quant_state.bitsandbytes__${quantType}`, 'uint8', [stateBytes], async (w) => {
      const text = await stateText(stored, w)
      release(w)
      taken = undefined
      return Buffer.from(text.padEnd(stateBytes), 'utf8')
    }),
  ]
}

/** Python's json.dumps of the state, in bitsandbytes' order. */
async function stateText(
  { quantType, blocksize, shape, dtype }: Stored4bit,
  weight: Weight4bit,
): Promise<string> {
  const nested = isNested(weight.absmax) && {
    nested_blocksize: weight.absmax.blocksize,
    nested_dtype: 'float32',
    nested_offset: await weight.absmax.offset.item(),
  }
  const state = { quant_type: quantType, blocksize, dtype, shape, ...nested }
  const value = (v: unknown): string => (Array.isArray(v) ? `[${v.join(', ')}]` : JSON.stringify(v))
  return `{${Object.entries(state)
    .map(([key, v]) => `"${key}": ${value(v)}`)
    .join(', ')}}`
}
