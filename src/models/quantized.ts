import type { BitsAndBytesConfig } from '../quantization/config'
import { CODE_BYTES } from '../quantization/weight-4bit'
import type { LinearModule } from './blueprint'

/**
 * Whether a layer's weight is quantized: not if `llm_int8_skip_modules` names it by the end or the beginning of
 * its path.
 */
export function isQuantized(
  { key, quantizable }: Pick<LinearModule, 'key' | 'quantizable'>,
  quantization: BitsAndBytesConfig | undefined,
): boolean {
  if (!quantizable || !quantization?.load_in_4bit) return false
  const skip = quantization.llm_int8_skip_modules ?? []
  return !skip.some((s) => key === s || key.endsWith(`.${s}`) || key.startsWith(`${s}.`))
}

/** Bytes per value of a layer's weight in codes; undefined if the weight is stored in full. */
export function codeBytes(
  module: LinearModule,
  quantization: BitsAndBytesConfig | undefined,
): number | undefined {
  return isQuantized(module, quantization) ? CODE_BYTES : undefined
}
