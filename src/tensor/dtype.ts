/** Element types of tensors, spelled as PyTorch spells them. */
export type DType = 'float32' | 'bfloat16' | 'float16' | 'int32' | 'int64' | 'uint8' | 'int8'
export type FloatDType = 'float32' | 'bfloat16' | 'float16'

/** Bytes of one element. */
export const itemsize: Readonly<Record<DType, number>> = {
  float32: 4,
  bfloat16: 2,
  float16: 2,
  int32: 4,
  int64: 8,
  uint8: 1,
  int8: 1,
}

const safetensorsNames = {
  float32: 'F32',
  bfloat16: 'BF16',
  float16: 'F16',
  int32: 'I32',
  int64: 'I64',
  uint8: 'U8',
  int8: 'I8',
} as const

type SafetensorsName = 'F32' | 'BF16' | 'F16' | 'I32' | 'I64' | 'U8' | 'I8'

/** The name a safetensors header uses. */
export function toSafetensorsDType(dtype: DType): SafetensorsName {
  return safetensorsNames[dtype]
}

/** @throws Error when the file's dtype has no tensor type here. */
export function fromSafetensorsDType(name: string): DType {
  for (const [dtype, known] of Object.entries<string>(safetensorsNames))
    if (known === name) return dtype as DType
  throw new Error(
    `safetensors dtype '${name}' is not supported; supported: ${Object.values(safetensorsNames).join(', ')}`,
  )
}

/**
 * A dtype from any common spelling: 'float16', 'torch.float16', 'fp16', 'half', 'bf16', 'float'.
 * @throws Error naming the known ones.
 */
export function parseDType(name: string): DType {
  const short = name.replace(/^torch\./, '')
  const aliases: Record<string, DType> = {
    fp16: 'float16',
    half: 'float16',
    bf16: 'bfloat16',
    fp32: 'float32',
    float: 'float32',
  }
  const dtype = aliases[short] ?? (short as DType)
  if (!(dtype in itemsize))
    throw new Error(`unknown dtype '${name}'; known: ${Object.keys(itemsize).join(', ')}`)
  return dtype
}

/** Like `parseDType`, for float dtypes only; `what` begins the message. @throws Error naming the three. */
export function parseFloatDType(name: string, what: string): FloatDType {
  const dtype = parseDType(name)
  if (!isFloat(dtype)) throw new Error(`${what}: expected float32, bfloat16 or float16, got ${dtype}`)
  return dtype
}

export function isFloat(dtype: DType): dtype is FloatDType {
  return dtype === 'float32' || dtype === 'bfloat16' || dtype === 'float16'
}
