import { disk } from '../files/disk'
import { readRange } from '../files/read-range'
import { SafetensorsFile, type TensorInfo } from '../files/safetensors'
import { addon } from '../native/addon'
import type { Tensor } from './tensor'

/** Bytes of a file that are searched at a time. */
const PIECE = 2 ** 24

/**
 * Finds NaN and infinite values in weights from safetensors files. The device sums squares while the next
 * tensors are read. Only if a sum is not finite is the file read again, to find the element. (Values beyond
 * 1e19 make the sum infinite too, but are not errors.)
 */
export class FiniteCheck {
  private readonly sums: { info: TensorInfo; norm: Tensor }[] = []

  /** Enqueues the check of `values`, which are all or a part of the tensor `info`. */
  add(info: TensorInfo, values: Tensor): void {
    const norm = values.device.empty([1], 'float32')
    this.sums.push({ info, norm })
    addon().global_norm([values.handle], norm.handle)
  }

  /** @throws Error naming file, tensor and element of the first value that is not finite */
  async finish(): Promise<void> {
    for (const { info, norm } of this.sums)
      if (!Number.isFinite(await norm.item())) await refuseNonFinite(info)
    this.dispose()
  }

  dispose(): void {
    for (const { norm } of this.sums.splice(0)) norm.dispose()
  }
}

/**
 * For each dtype, bytes per element and exponent mask: a float is not finite when all bits of its exponent are
 * set.
 */
const exponents: Readonly<Record<string, [bytes: number, mask: number]>> = {
  F32: [4, 0x7f800000],
  BF16: [2, 0x7f80],
  F16: [2, 0x7c00],
}

/**
 * Index of the first element of a file's tensor that is NaN or infinite; undefined if all are finite or the
 * dtype is no float.
 */
export async function firstNonFinite(info: TensorInfo): Promise<number | undefined> {
  const [size, mask] = exponents[info.dtype] ?? []
  if (size === undefined || mask === undefined) return undefined
  const handle = await disk.open(info.file, 'r')
  try {
    for (let from = 0; from < info.nbytes; from += PIECE) {
      const bytes = await readRange(
        handle,
        info.file,
        info.offset + from,
        Math.min(PIECE, info.nbytes - from),
      )
      const bits = size === 4 ? new Uint32Array(bytes.buffer) : new Uint16Array(bytes.buffer)
      const at = bits.findIndex((word) => (word & mask) === mask)
      if (at >= 0) return from / size + at
    }
  } finally {
    await handle.close()
  }
  return undefined
}

async function refuseNonFinite(info: TensorInfo): Promise<void> {
  const at = await firstNonFinite(info)
  if (at !== undefined)
    throw new Error(
      `${info.file}: tensor '${info.name}' is NaN or infinite at element ${at}; the file is damaged, or its training diverged`,
    )
}

/** @throws Error naming the file and the first tensor that contains NaN or an infinity. */
export async function checkFinite(path: string): Promise<void> {
  const file = await SafetensorsFile.open(path)
  try {
    for (const info of file.tensors.values()) {
      if ((await firstNonFinite(info)) !== undefined)
        throw new Error(`${path}: '${info.name}' holds NaN or an infinity; expected finite numbers`)
    }
  } finally {
    await file.close()
  }
}
