/** A native tensor, opaque to JavaScript. */
export type TensorHandle = { readonly __tensor: never }
/** A native device, opaque to JavaScript. */
export type DeviceHandle = { readonly __device: never }
/** Recorded operations, opaque to JavaScript. */
export type RecordingHandle = { readonly __recording: never }

/**
 * The maxima of 4-bit blocks: absmax is float32; or it is uint8 codes, and the other elements decode them. See
 * native/core/ops.inc.
 */
export type BlockMaxima = readonly [
  absmax: TensorHandle,
  code_map?: TensorHandle | undefined,
  nested_absmax?: TensorHandle | undefined,
  offset?: TensorHandle | undefined,
  /** Needed with code_map. */
  nested_blocksize?: number | undefined,
]

/** The dtype and shape of a tensor, without its memory. */
export interface DescribedTensor {
  dtype: string
  shape: readonly number[]
}

/** Arguments with a description in place of each handle. */
export type Described<T> = T extends TensorHandle
  ? DescribedTensor
  : T extends object
    ? { [K in keyof T]: Described<T[K]> }
    : T
