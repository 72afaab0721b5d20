import { SafetensorsFile, type TensorInfo } from '../files/safetensors'
import { writeSafetensors } from '../files/safetensors-write'
import { addon } from '../native/addon'
import { Device } from './device'
import { fromSafetensorsDType, toSafetensorsDType } from './dtype'
import type { Tensor } from './tensor'

/** Reads one tensor of a file to a device; its bytes do not pass through JavaScript. The caller owns it. */
export async function readTensor(info: TensorInfo, device: Device): Promise<Tensor> {
  const tensor = device.empty(info.shape, fromSafetensorsDType(info.dtype))
  try {
    await readInto(tensor, info.file, info.offset)
  } catch (error) {
    tensor.dispose()
    throw error
  }
  return tensor
}

/** Fills a tensor with the bytes at `offset` of a file, on the device's threads. @throws Error naming the file. */
export function readInto(tensor: Tensor, file: string, offset: number): Promise<void> {
  return addon().tensor_read_file(tensor.handle, file, offset)
}

/**
 * All tensors of a safetensors file, on a device. The caller owns them. @throws Error naming the file and the
 * error in it.
 */
export async function load_safetensors(
  path: string,
  device: Device | string = 'cpu',
): Promise<Record<string, Tensor>> {
  const target = device instanceof Device ? device : Device.get(device)
  const file = await SafetensorsFile.open(path)
  const tensors: Record<string, Tensor> = {}
  try {
    for (const info of file.tensors.values()) tensors[info.name] = await readTensor(info, target)
    return tensors
  } catch (error) {
    for (const tensor of Object.values(tensors)) tensor.dispose()
    throw error
  } finally {
    await file.close()
  }
}

/**
 * Writes tensors by name; the file appears only when it is complete. `metadata` defaults to what transformers
 * expects. `whenWritten` runs when the data is on the disk and only the rename is left; if it fails, an
 * existing file stays.
 */
export async function save_safetensors(
  path: string,
  tensors: Record<string, Tensor>,
  metadata: Record<string, string> = { format: 'pt' },
  whenWritten?: () => Promise<void>,
): Promise<void> {
  const entries = Object.entries(tensors).map(([name, tensor]) => ({
    name,
    dtype: toSafetensorsDType(tensor.dtype),
    shape: tensor.shape,
    data: () => tensor.bytes(),
  }))
  await writeSafetensors(path, entries, metadata, { whenWritten })
}
