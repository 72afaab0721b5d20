import { execFileSync } from 'node:child_process'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { beforeEach, describe, expect, it } from 'vitest'

import { readTextFile, textPieces } from '../../src/files/text'
import { temporaryFolder } from './support/temporary'

let folder: string
let count = 0
beforeEach(async () => {
  folder = await temporaryFolder()
})

async function file(content: Uint8Array | string): Promise<string> {
  const path = join(folder, `${++count}.txt`)
  await writeFile(path, content)
  return path
}
const read = async (content: Uint8Array | string): Promise<string> => readTextFile(await file(content))

const LETTERS = 'aé微𝒳'
const utf16 = (text: string, big = false): Buffer => {
  const bytes = Buffer.from('\ufeff' + text, 'utf16le')
  return big ? bytes.swap16() : bytes
}

describe('text files', () => {
  it('splits no character between pieces, whatever its place', async () => {
    for (let shift = 0; shift < 10; shift++) {
      const text = '.'.repeat(shift) + LETTERS.repeat(220_000)
      for (const bytes of [Buffer.from(text), utf16(text), utf16(text, true)]) {
        const path = await file(bytes)
        const pieces: string[] = []
        for await (const piece of textPieces(path)) pieces.push(piece)
        expect(pieces.length).toBeGreaterThan(1)
        expect(pieces.every((piece) => !/^[\udc00-\udfff]|[\ud800-\udbff]$/.test(piece))).toBe(true)
        expect(pieces.join('') === text).toBe(true)
      }
    }
  })

  it.each([0, 1, 2, 3, 4, 5])('reads %i characters, with and without a mark', async (length) => {
    const text = LETTERS.repeat(2).slice(0, length)
    const whole = /[\ud800-\udbff]$/.test(text) ? text.slice(0, -1) : text
    for (const bytes of [whole, '\ufeff' + whole, utf16(whole), utf16(whole, true)])
      expect(await read(bytes)).toBe(whole)
    // Only the first mark is one.
    expect(await read('\ufeff\ufeffa')).toBe('\ufeffa')
  })

  it('refuses other encodings by line and byte', async () => {
    const cases: [Uint8Array, string][] = [
      [Buffer.from('ab\ncaf\xe9\n', 'latin1'), ':2: not UTF-8 at byte 6 (0xe9)'],
      [Buffer.from('ab\ncaf\xe9', 'latin1'), ':2: not UTF-8 at byte 6 (0xe9)'],
      [Buffer.from('\ufeffab\n\x80', 'utf8').subarray(0, 6), ''],
      [Buffer.concat([Buffer.from('\ufeffab\n'), Buffer.of(0x80)]), ':2: not UTF-8 at byte 6 (0x80)'],
      // An overlong slash, a surrogate in UTF-8, a character cut at the end.
      [Buffer.from('61c0af', 'hex'), ':1: not UTF-8 at byte 1 (0xc0)'],
      [Buffer.from('6161eda080', 'hex'), ':1: not UTF-8 at byte 2 (0xed)'],
      [Buffer.from('微').subarray(0, 2), ':1: not UTF-8 at byte 0 (0xe5)'],
      [Buffer.from('fffe0a0000d84100', 'hex'), ':2: not UTF-16 at byte 4'],
      [Buffer.from('fffe610062', 'hex'), ':1: not UTF-16 at byte 4'],
      [Buffer.from('fffe000061000000', 'hex'), ':1: UTF-32 at byte 0'],
      [Buffer.from('61006200', 'hex'), ':1: UTF-16 without a byte order mark'],
    ]
    for (const [bytes, message] of cases) {
      const path = await file(bytes)
      if (message === '') expect(await readTextFile(path)).toBe('ab\n')
      else await expect(readTextFile(path)).rejects.toThrow(path + message)
    }
    const late = Buffer.concat([Buffer.from('é\n'.repeat(700_000)), Buffer.of(0xff), Buffer.from('x')])
    await expect(read(late)).rejects.toThrow(':700001: not UTF-8 at byte 2100000 (0xff)')
  })

  it('unpacks gzip and zstd by their first bytes, several members too', async () => {
    expect(await read(Buffer.concat([gzipSync('é'), gzipSync('b')]))).toBe('éb')
    expect(await read(gzipSync(utf16('微')))).toBe('微')
    expect(await read(Buffer.from(ZSTD, 'hex'))).toBe('{"text":"é"}\n'.repeat(20))
    await expect(read(gzipSync('abcdef').subarray(0, 12))).rejects.toThrow(
      /\.txt: not readable as gzip: unexpected end of file/,
    )
    await expect(read(Buffer.from(ZSTD, 'hex').subarray(0, 20))).rejects.toThrow(
      /\.txt: not readable as zstd/,
    )
    await expect(read(gzipSync(Buffer.from('x\n\xe9', 'latin1')))).rejects.toThrow(
      ':2: not UTF-8 at byte 2 (0xe9)',
    )
  })

  it('bounds what a file may expand to', async () => {
    await expect(read(gzipSync(Buffer.alloc(80_000_000, 'a')))).rejects.toThrow(
      /not readable as gzip: expands to more than 256 times its \d+ bytes/,
    )
  })

  it('names other packed formats, folders, devices, pipes and broken links', async () => {
    await expect(read('PK\x03\x04')).rejects.toThrow(/is a zip archive \(or an Excel file\), not text/)
    await expect(read('BZh9')).rejects.toThrow('is bzip2, not text; decompress it first (bunzip2)')
    await expect(read('PAR1abc')).rejects.toThrow("is Parquet, not text; read it as 'parquet'")
    await expect(readTextFile(folder)).rejects.toThrow(`${folder}: is a folder; expected a file`)
    await expect(readTextFile('/dev/zero')).rejects.toThrow('/dev/zero: is no regular file')
    execFileSync('mkfifo', [join(folder, 'pipe')])
    await expect(readTextFile(join(folder, 'pipe'))).rejects.toThrow('pipe: is no regular file')
    await symlink('loop', join(folder, 'loop'))
    await expect(readTextFile(join(folder, 'loop'))).rejects.toThrow('loop: links that lead in a circle')
    await mkdir(join(folder, 'sub'))
    await expect(readTextFile(join(folder, 'sub', 'none'))).rejects.toThrow('none: no such file')
  })

  it('stops when aborted', async () => {
    const path = await file('a'.repeat(3_000_000))
    const abort = new AbortController()
    const pieces = textPieces(path, abort.signal)
    await pieces.next()
    abort.abort(new Error('enough'))
    await expect(pieces.next().then(() => pieces.next())).rejects.toThrow()
    await expect(readTextFile(path, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough')
  })
})

// Made with zstd -3 from 20 rows {"text":"é"}.
const ZSTD = '28b52ffd0458ad0000707b2274657874223a22c3a9227d0a010007a14e25a06461ad'
