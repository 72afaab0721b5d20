import { unknownNameError } from '../options/nearest'

/** The role of a tensor in the model, which decides its type in mixed methods. */
export interface TensorPlace {
  /** GGUF's name, e.g. `blk.3.ffn_down.weight`. */
  name: string
  shape: readonly number[]
  /** Number of layers. */
  layers: number
  /** Whether the head uses the embedding's weight. */
  tied: boolean
}

interface Method {
  /** `general.file_type` */
  fileType: number
  /** Type of matrices without a rule of their own. */
  type: string
  /** Whether the head, and attn_v and ffn_down of some layers, get more bits. */
  moreBits?: boolean
  doc: string
}

/** By the name that `quantization_method` accepts, which is llama.cpp's. */
export const ggufMethods: Readonly<Record<string, Method>> = {
  F32: { fileType: 0, type: 'F32', doc: 'float32' },
  F16: { fileType: 1, type: 'F16', doc: 'float16' },
  BF16: { fileType: 32, type: 'BF16', doc: 'bfloat16' },
  Q8_0: { fileType: 7, type: 'Q8_0', doc: '8 bits, a scale for 32 values' },
  Q4_0: { fileType: 2, type: 'Q4_0', doc: '4 bits, a scale for 32 values; the head in Q6_K' },
  Q4_K_M: {
    fileType: 15,
    type: 'Q4_K',
    moreBits: true,
    doc: '4 bits; the head and half of attn_v and ffn_down in 6',
  },
  Q5_K_M: {
    fileType: 17,
    type: 'Q5_K',
    moreBits: true,
    doc: '5 bits; the head and half of attn_v and ffn_down in 6',
  },
  Q6_K: { fileType: 18, type: 'Q6_K', doc: '6 bits' },
}

/** Other names, as in Unsloth. */
const aliases: Readonly<Record<string, string>> = {
  not_quantized: 'BF16',
  fast_quantized: 'Q8_0',
  quantized: 'Q4_K_M',
}

/** The method's name in the table; case is ignored. @throws TypeError naming the nearest known one. */
export function ggufMethod(name: string): string {
  const known = Object.keys(ggufMethods)
  const found = known.find((one) => one.toLowerCase() === name.toLowerCase())
  if (found !== undefined) return found
  if (Object.hasOwn(aliases, name)) return aliases[name]!
  throw unknownNameError('save_pretrained_gguf', name, known, 'quantization_method')
}

/** llama.cpp's types for rows that do not fill blocks of 256 values. */
const fallbacks: Readonly<Record<string, string>> = {
  Q4_K: 'Q5_0',
  Q5_K: 'Q5_1',
  Q6_K: 'Q8_0',
}

/**
 * The element type of a tensor, by the rules of llama.cpp's `llama_tensor_get_type` (without an importance
 * matrix).
 */
export function tensorType(method: string, place: TensorPlace): string {
  const { type } = ggufMethods[method]!
  // Norms and biases are small and stay unquantized.
  if (place.shape.length < 2) return 'F32'
  if (/^B?F(16|32)$/.test(type)) return type
  const columns = place.shape.at(-1)!
  const wanted = wantedType(method, place)
  const fits = wanted.endsWith('_K') && columns % 256 !== 0 ? (fallbacks[wanted] ?? wanted) : wanted
  return columns % 32 === 0 ? fits : 'F16'
}

function wantedType(method: string, { name, layers, tied }: TensorPlace): string {
  const { type, moreBits } = ggufMethods[method]!
  if (name === (tied ? 'token_embd.weight' : 'output.weight')) return type === 'Q8_0' ? type : 'Q6_K'
  if (!moreBits) return type
  const [, index, part] = /^blk\.(\d+)\.(\w+)\.weight$/.exec(name) ?? []
  if (part === 'attn_qkv') return type === 'Q4_K' ? 'Q5_K' : 'Q6_K'
  if ((part === 'attn_v' || part === 'ffn_down') && getsMoreBits(Number(index), layers)) return 'Q6_K'
  return type
}

/** The first and the last eighth of the layers, and every third layer between. */
function getsMoreBits(layer: number, layers: number): boolean {
  const eighth = Math.floor(layers / 8)
  return layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2
}
