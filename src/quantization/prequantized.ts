import type { Device } from '../tensor/device'
import { parseDType, type FloatDType } from '../tensor/dtype'
import type { Tensor } from '../tensor/tensor'
import type { NestedAbsmax, Weight4bit } from './weight-4bit'

/** What is needed of a checkpoint to read a quantized weight from it. */
interface QuantizedSource {
  has(name: string): boolean
  load(name: string, device: Device): Promise<Tensor>
  bytes(name: string): Promise<Uint8Array>
}

/** The JSON that travels as a uint8 tensor beside the codes. */
interface QuantStateJson {
  quant_type: 'nf4' | 'fp4'
  blocksize: number
  dtype: string
  shape: [number, number]
  nested_blocksize?: number
  nested_offset?: number
}

function stateKey(source: { has(name: string): boolean }, name: string): string | undefined {
  return ['nf4', 'fp4']
    .map((t) => `${name}.weight.quant_state.bitsandbytes__${t}`)
    .find((key) => source.has(key))
}

/** Whether the checkpoint holds `name` as bitsandbytes' 4-bit codes. */
export function isPrequantized(source: { has(name: string): boolean }, name: string): boolean {
  return stateKey(source, name) !== undefined
}

/**
 * Reads the linear layer `name` as bitsandbytes saved it: `weight`, `weight.absmax`, `weight.quant_state.*` and, with double
 * quantization, `weight.nested_absmax` and `weight.nested_quant_map`.
 * @throws Error when the state is not the JSON expected, or the number of codes does not fit its shape.
 */
export async function loadPrequantized(
  source: QuantizedSource,
  name: string,
  device: Device,
): Promise<Weight4bit> {
  const key = stateKey(source, name)!
  const state = parseState(key, new TextDecoder().decode(await source.bytes(key)))
  const stored = await source.load(`${name}.weight`, device)
  const expected = Math.ceil((state.shape[0] * state.shape[1]) / 2)
  if (stored.nbytes < expected)
    throw new Error(
      `'${name}.weight' holds ${stored.nbytes} bytes of codes; its shape (${state.shape.join(', ')}) needs ${expected}`,
    )
  const absmax = await source.load(`${name}.weight.absmax`, device)
  return {
    quantType: state.quant_type,
    blocksize: state.blocksize,
    shape: state.shape,
    dtype: parseDType(state.dtype) as FloatDType,
    codes: bytesOf(stored),
    absmax: state.nested_offset === undefined ? absmax : await nested(source, name, state, absmax, device),
  }
}

function parseState(key: string, text: string): QuantStateJson {
  const state = JSON.parse(text) as Partial<QuantStateJson>
  if (!state.quant_type || !state.blocksize || !state.dtype || state.shape?.length !== 2) {
    throw new Error(`'${key}': expected quant_type, blocksize, dtype and a shape of two sizes, got ${text}`)
  }
  return state as QuantStateJson
}

/** Another `quant_storage` dtype is only another name for the same bytes; the view keeps them alive. */
function bytesOf(stored: Tensor): Tensor {
  const codes = stored.reinterpret('uint8', [stored.nbytes])
  stored.dispose()
  return codes
}

async function nested(
  source: QuantizedSource,
  name: string,
  state: QuantStateJson,
  q: Tensor,
  device: Device,
): Promise<NestedAbsmax> {
  const offset = device.empty([1], 'float32')
  offset.write(new Uint8Array(Float32Array.of(state.nested_offset!).buffer))
  return {
    q,
    codeMap: await source.load(`${name}.weight.nested_quant_map`, device),
    absmax: await source.load(`${name}.weight.nested_absmax`, device),
    offset,
    blocksize: state.nested_blocksize ?? 256,
  }
}
