import type { TensorHandle } from '../../src/native/contract'
import { SafetensorsFile } from '../../src/files/safetensors'
import { decode } from '../../src/tensor/convert'
import { fromSafetensorsDType, type DType, type FloatDType } from '../../src/tensor/dtype'
import { golden } from '../support/shared'
import { native, Output, tensor } from './harness'

const goldens = SafetensorsFile.open(golden('optim.safetensors'))

export async function goldenTensor(name: string): Promise<Float64Array> {
  const file = await goldens
  const bytes = await file.read(name)
  const dtype = fromSafetensorsDType(file.tensors.get(name)!.dtype)
  return Float64Array.from(decode(bytes.slice().buffer, dtype) as ArrayLike<number>)
}

export const zeros = (n: number, dtype: DType): Output => new Output([n], dtype, new Float64Array(n))

/** How the goldens were made. */
export const goldenLr = 1e-3
export const goldenDecay = 0.01

/**
 * Ten steps of `update` with the golden's gradients. Of the golden's snapshots only the last can be used: it holds the tensors
 * themselves, so that step1, step5 and state1 show what they were after step 10.
 */
export async function goldenRun(
  name: 'w' | 'b',
  dtype: FloatDType,
  update: (param: TensorHandle, grad: TensorHandle, step: number) => void,
): Promise<Output> {
  const init = await goldenTensor(`${name}.init`)
  const grads = await goldenTensor(`${name}.grads`)
  const n = init.length
  const param = new Output([n], dtype, init)
  for (let t = 1; t <= 10; t++) {
    const grad = tensor(grads.subarray((t - 1) * n, t * n), [n], dtype)
    update(param.handle, grad, t)
    native.tensor_release(grad)
  }
  return param
}
