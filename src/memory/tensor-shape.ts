import type { DType } from '../tensor/dtype'

/** What an operation's own memory depends on. */
export interface TensorShape {
  shape: readonly number[]
  dtype: DType
}
