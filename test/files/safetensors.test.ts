import { type FileHandle, open, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { SafetensorsFile } from '../../src/files/safetensors'
import { golden } from '../support/shared'
import { temporaryFolder } from './support/temporary'

/** A file from a header (object or raw text), data bytes and, to lie, another length than the header's own. */
async function fileOf(header: unknown, data = new Uint8Array(), length?: bigint): Promise<string> {
  const path = join(await temporaryFolder(), 'x.safetensors')
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
  const prefix = Buffer.alloc(8)
  prefix.writeBigUInt64LE(length ?? BigInt(text.length))
  await writeFile(path, Buffer.concat([prefix, text, data]))
  return path
}

const f32 = (begin: number, end: number, shape: unknown = [(end - begin) / 4]): object => ({
  dtype: 'F32',
  shape,
  data_offsets: [begin, end],
})

test("reads Python's file: metadata, shapes and values", async () => {
  const file = await SafetensorsFile.open(golden('tiny-llama/model.safetensors'))
  const info = file.tensors.get('model.norm.weight')
  expect(file.metadata).toEqual({ format: 'pt' })
  expect(info?.shape).toHaveLength(1)
  const bytes = await file.read('model.norm.weight')
  expect(bytes.byteOffset).toBe(0)
  const whole = await readFile(info?.file as string)
  expect(Buffer.from(bytes)).toEqual(whole.subarray(info?.offset, info!.offset + info!.nbytes))
  await expect(file.read('nope')).rejects.toThrow(/no tensor 'nope' among its \d+ tensors/)
  await file.close()
})

test('scalars, empty tensors, a tensor called __proto__ and 4-bit types', async () => {
  const path = await fileOf(
    '{"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"e":{"dtype":"I64","shape":[3,0],"data_offsets":[4,4]},' +
      '"__proto__":{"dtype":"F4","shape":[4],"data_offsets":[4,6]}}',
    new Uint8Array([0, 0, 128, 63, 7, 9]),
  )
  const file = await SafetensorsFile.open(path)
  expect([...file.tensors.keys()]).toEqual(['s', 'e', '__proto__'])
  expect(new Float32Array((await file.read('s')).buffer)[0]).toBe(1)
  expect(await file.read('e')).toEqual(new Uint8Array())
  expect(await file.read('__proto__')).toEqual(new Uint8Array([7, 9]))
  await file.close()
})

test('a tensor beyond 4 GB is read at its place', async () => {
  const big = 5 * 2 ** 30
  const path = await fileOf({
    big: { dtype: 'U8', shape: [5, 2 ** 30], data_offsets: [0, big] },
    last: f32(big, big + 8),
  })
  const begin = (await readFile(path)).length
  await truncate(path, begin + big) // sparse: takes no space
  const handle: FileHandle = await open(path, 'r+')
  await handle.write(new Uint8Array(new Float32Array([3, -4]).buffer), 0, 8, begin + big)
  await handle.close()
  const file = await SafetensorsFile.open(path)
  expect(file.tensors.get('last')?.offset).toBe(begin + big)
  expect(new Float32Array((await file.read('last')).buffer)).toEqual(new Float32Array([3, -4]))
  await expect(file.read('big')).rejects.toThrow('5368709120 bytes at offset')
  await expect(file.read('last', { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i)
  await file.close()
})

test('a file cut short after it was opened', async () => {
  const path = await fileOf({ a: f32(0, 8) }, new Uint8Array(8))
  const file = await SafetensorsFile.open(path)
  const offset = file.tensors.get('a')!.offset
  await truncate(path, offset + 3)
  await expect(file.read('a')).rejects.toThrow(
    `truncated: expected 8 bytes at offset ${offset}, the file gave 3`,
  )
  await file.close()
})

describe('faulty files say what is wrong', () => {
  const eight = new Uint8Array(8)
  const cases: [string, () => Promise<string>, RegExp][] = [
    [
      'missing',
      async () => join(await temporaryFolder(), 'none.safetensors'),
      /none\.safetensors: no such file/,
    ],
    [
      'shorter than its length field',
      async () => {
        const path = join(await temporaryFolder(), 'short.safetensors')
        await writeFile(path, 'abc')
        return path
      },
      /truncated: 3 bytes; expected 8 bytes of header length at offset 0/,
    ],
    [
      'length beyond the file',
      () => fileOf({}, eight, 9999n),
      /header length at offset 0 says 9999 bytes, but only 10/,
    ],
    ['length beyond 2^53', () => fileOf({}, eight, 2n ** 64n - 1n), /says 18446744073709551615 bytes/],
    [
      'length cutting the JSON',
      () => fileOf({ a: f32(0, 8) }, eight, 10n),
      /offset 8 \(10 bytes\) is not valid JSON/,
    ],
    ['length zero', () => fileOf('', eight), /offset 8 \(0 bytes\) is not valid JSON/],
    ['no UTF-8', () => fileOf('{}', eight, 5n), /is not valid JSON/],
    ['JSON array', () => fileOf([]), /JSON of another kind; expected a JSON object/],
    ['metadata with numbers', () => fileOf({ __metadata__: { a: 1 } }), /expected an object of strings/],
    [
      'tensor no object',
      () => fileOf({ a: 3 }),
      /tensor 'a' .*expected an object with dtype, shape and data_offsets/,
    ],
    [
      'unknown dtype',
      () => fileOf({ a: { dtype: 'F13', shape: [2], data_offsets: [0, 8] } }, eight),
      /tensor 'a' .*unknown dtype "F13"; expected one of BOOL, .*F32/,
    ],
    [
      'negative size',
      () => fileOf({ a: f32(0, 8, [-2, -1]) }, eight),
      /shape \[-2,-1\]; expected a list of integers >= 0/,
    ],
    ['size no integer', () => fileOf({ a: f32(0, 8, [0.5, 4]) }, eight), /shape \[0.5,4\]; expected/],
    [
      'size overflow',
      () => fileOf({ a: f32(0, 8, [2 ** 40, 2 ** 40]) }, eight),
      /expected a whole number of bytes/,
    ],
    [
      'offsets no pair',
      () => fileOf({ a: { ...f32(0, 8), data_offsets: [8] } }, eight),
      /data_offsets \[8\]; expected \[beg/,
    ],
    [
      'offsets not matching dtype x shape',
      () => fileOf({ a: f32(0, 8, [3]) }, eight),
      /data_offsets \[0, 8\] span 8 bytes; expected 12 bytes for F32 of shape \[3\]/,
    ],
    ['offsets backwards', () => fileOf({ a: f32(8, 0, [2]) }, eight), /data_offsets \[8, 0\] span -8 bytes/],
    [
      'data cut short',
      () => fileOf({ a: f32(0, 16) }, eight),
      /data ends at offset \d+, but the file has \d+ bytes/,
    ],
    [
      'overlap',
      () => fileOf({ a: f32(0, 8), b: f32(4, 12) }, new Uint8Array(12)),
      /tensor 'b' at offset \d+ overlaps the tensor before it; expected offset/,
    ],
    [
      'hole',
      () => fileOf({ a: f32(0, 4), b: f32(8, 12) }, new Uint8Array(12)),
      /'b' at offset \d+ leaves a hole/,
    ],
    [
      'bytes after the data',
      () => fileOf({ a: f32(0, 4) }, eight),
      /ends at offset (\d+); expected the end of the file/,
    ],
  ]
  test.each(cases)('%s', async (_name, make, message) => {
    await expect(SafetensorsFile.open(await make())).rejects.toThrow(message)
  })
})
