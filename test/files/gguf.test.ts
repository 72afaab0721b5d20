import { truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gguf } from '@huggingface/gguf'
import { describe, expect, test } from 'vitest'
import { openGguf } from '../../src/files/gguf'
import { ggufBytes, type TestTensor } from './support/gguf-writer'
import { temporaryFolder } from './support/temporary'

async function file(bytes: Uint8Array): Promise<string> {
  const path = join(await temporaryFolder(), 'x.gguf')
  await writeFile(path, bytes)
  return path
}

const metadata = {
  'general.architecture': 'llama',
  'general.alignment': 32,
  'a.float': 0.1,
  'a.big': 2n ** 60n,
  'a.safe': 7n,
  'a.flag': true,
  'a.numbers': [1, 2, 3],
  // Long enough to cross the cursor's window of 1 MiB within a string and between strings.
  'a.tokens': Array.from({ length: 30_000 }, (_, i) => `token ${i} ${'ä'.repeat(i % 60)}`),
  'a.long': 'x'.repeat(1_500_000),
}
const tensors: TestTensor[] = [
  { name: 'w', dims: [3, 2], type: 0, start: 32 },
  { name: 'h', dims: [2], type: 1, start: 0 },
]
const data = new Uint8Array(new Float32Array([0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6]).buffer)
data.set([0x00, 0x3c, 0x00, 0xc0])

test('reads metadata and tensors; agrees with @huggingface/gguf', async () => {
  const path = await file(ggufBytes(metadata, tensors, data))
  const ours = await openGguf(path)
  expect(ours.metadata).toEqual({ ...metadata, 'a.float': Math.fround(0.1), 'a.safe': 7 })
  const theirs = await gguf(path, { allowLocalFile: true })
  expect(ours.metadata['a.tokens']).toEqual(theirs.metadata['a.tokens' as never])
  expect(ours.tensors).toEqual(
    theirs.tensorInfos.map((tensor, i) => ({
      name: tensor.name,
      shape: tensor.shape.map(Number).reverse(),
      type: ['F32', 'F16'][tensor.dtype],
      offset: Number(theirs.tensorDataOffset + tensor.offset),
      nbytes: [24, 4][i],
    })),
  )
  expect(await ours.read('w')).toEqual(new Float32Array([1, 2, 3, 4, 5, 6]))
  expect(await ours.read('h')).toEqual(new Float32Array([1, -2]))
  await expect(ours.read('nope')).rejects.toThrow("no tensor 'nope' among its 2 tensors")
  await expect(ours.read('w', { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i)
})

test('a tensor longer than one piece, in blocks', async () => {
  const count = 2 ** 20 + 64
  const blocks = new Uint8Array((count / 32) * 34)
  for (let i = 0; i < count / 32; i++) blocks.set([0x00, 0x3c, i & 127], i * 34) // d = 1, first q = i mod 128
  const ours = await openGguf(
    await file(ggufBytes({}, [{ name: 'q', dims: [count], type: 8, start: 0 }], blocks)),
  )
  const values = await ours.read('q')
  expect(values.length).toBe(count)
  const firsts = values.filter((_, i) => i % 32 === 0)
  expect(firsts.every((value, i) => value === (i & 127))).toBe(true)
})

test('types we cannot dequantize do not keep the rest from being read', async () => {
  const k = { name: 'k', dims: [256], type: 23, start: 0 }
  const ours = await openGguf(await file(ggufBytes({ a: 1 }, [k], new Uint8Array(136))))
  expect(ours.metadata).toEqual({ a: 1 })
  await expect(ours.read('k')).rejects.toThrow(/x\.gguf: tensor 'k' is IQ4_XS; supported: F32, .*Q8_0/)
})

test('a K-quant whose size cannot be', async () => {
  const q4k = (dims: number[], bytes: number): Promise<unknown> =>
    file(ggufBytes({}, [{ name: 'k', dims, type: 12, start: 0 }], new Uint8Array(bytes))).then(openGguf)
  await expect(q4k([300], 288)).rejects.toThrow(/'k'.*300.*Q4_K|Q4_K.*300/)
  await expect(q4k([256, 2], 200)).rejects.toThrow('the file is truncated or lies')
})

test('cut short after it was opened', async () => {
  const path = await file(ggufBytes({}, [{ name: 'w', dims: [6], type: 0, start: 0 }], new Uint8Array(24)))
  const ours = await openGguf(path)
  await truncate(path, ours.info('w').offset + 5)
  await expect(ours.read('w')).rejects.toThrow(/truncated: expected 24 bytes at offset \d+, the file gave 5/)
})

describe('faulty files', () => {
  const good = ggufBytes({ 'general.architecture': 'llama', tokens: ['one', 'two'] }, tensors, data)

  test('cut anywhere, the error names the file and an offset', async () => {
    for (let length = 0; length < good.length; length += 1) {
      const path = await file(good.subarray(0, length))
      await expect(openGguf(path), `cut at ${length}`).rejects.toThrow(/x\.gguf: GGUF header at offset \d+: /)
    }
  })

  const w = { name: 'w', dims: [32], type: 0, start: 0 }
  const zeros = new Uint8Array(128)
  const patched = (offset: number, ...bytes: number[]): Buffer => {
    const copy = Buffer.from(good)
    copy.set(bytes, offset)
    return copy
  }
  test.each<[string, Buffer, RegExp]>([
    ['no GGUF', Buffer.from('PK'.padEnd(40)), /offset 4: begins with "PK {2}"; expected "GGUF"/],
    ['version 1', patched(4, 1), /version 1; expected 2 or 3/],
    ['big-endian', patched(4, 0, 0, 0, 3), /big-endian file/],
    ['lying tensor count', patched(8, 255, 255, 255), /declares 16777215 tensors, \d+ bytes follow/],
    ['lying entry count', patched(16, 255, 255), /declares 65535 metadata entries/],
    [
      'lying string',
      patched(24, 255, 255, 255, 255, 255, 255, 255, 127),
      /offset 32: truncated or lying: expected 9\d+ bytes/,
    ],
    ['unknown metadata type', patched(24 + 8 + 20, 77), /metadata type 77; expected 0 to 12/],
    [
      'unknown tensor type',
      ggufBytes({}, [{ ...w, type: 5 }], zeros),
      /'w' has type 5, which is none of GGUF's/,
    ],
    [
      'rows that do not fill blocks',
      ggufBytes({}, [{ ...w, dims: [31, 32], type: 2 }], zeros),
      /shape \[31, 32\] cannot be Q4_0/,
    ],
    ['sizes that overflow', ggufBytes({}, [{ ...w, dims: [2 ** 40, 2 ** 40] }], zeros), /cannot be F32/],
    [
      'data past the end',
      ggufBytes({}, [{ ...w, start: 32 }], zeros),
      /'w' takes 128 bytes from offset \d+: expected within/,
    ],
    ['unaligned data', ggufBytes({}, [{ ...w, dims: [1], start: 4 }], zeros), /aligned to 32/],
    ['alignment of 0', ggufBytes({ 'general.alignment': 0 }, [w], zeros), /general\.alignment is 0/],
    [
      'overlap',
      ggufBytes({}, [w, { ...w, name: 'v', start: 32, dims: [8] }], zeros),
      /'w' and 'v' overlap at offset/,
    ],
    ['five dimensions', ggufBytes({}, [{ ...w, dims: [1, 1, 1, 1, 1] }], zeros), /'w' has 5 dimensions/],
    [
      'a doubled name',
      ggufBytes(
        {},
        [
          { ...w, dims: [8] },
          { ...w, dims: [8], start: 32 },
        ],
        zeros,
      ),
      /the same name/,
    ],
    ['a part of a split file', ggufBytes({ 'split.count': 3 }), /is one of 3 split files/],
  ])('%s', async (_name, bytes, message) => {
    await expect(openGguf(await file(bytes))).rejects.toThrow(message)
  })

  test('missing', async () => {
    await expect(openGguf(join(await temporaryFolder(), 'none.gguf'))).rejects.toThrow(
      'none.gguf: no such file',
    )
  })
})
