/** A native tensor, opaque to JavaScript. */
export type TensorHandle = { readonly __tensor: never }
/** A native device, opaque to JavaScript. */
export type DeviceHandle = { readonly __device: never }
/** Recorded operations, opaque to JavaScript. */
export type RecordingHandle = { readonly __recording: never }

/** The maxima of 4-bit blocks: absmax float32, or uint8 codes of it with the others, as native/core/ops.inc has them. */
export interface BlockMaxima {
  absmax: TensorHandle
  code_map?: TensorHandle | undefined
  nested_absmax?: TensorHandle | undefined
  offset?: TensorHandle | undefined
  /** Needed with code_map. */
  nested_blocksize?: number | undefined
}

/** A tensor without memory, where only what it looks like matters. */
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
