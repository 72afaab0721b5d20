import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { code4bit, dynamicMap } from '../../src/quantization/codes'

const sha256 = (map: Float32Array): string =>
  createHash('sha256').update(new Uint8Array(map.buffer)).digest('hex')

function hex(values: Float32Array): string[] {
  return Array.from(new Uint32Array(values.buffer.slice(0)), (bits) => bits.toString(16).padStart(8, '0'))
}

describe('4-bit codes', () => {
  it('nf4 has the bits of bitsandbytes', () => {
    expect(hex(code4bit.nf4)).toEqual(
      `bf800000 bf3239b1 bf066b30 beca32a0 be91a24d be3d353f bdba7871 00000000
       3da2faff 3e24cae3 3e7c04dd 3ead033a 3ee1a4b8 3f1007ab 3f3913b3 3f800000`.split(/\s+/),
    )
  })

  it('fp4 has the bits of bitsandbytes, code 8 being -0', () => {
    const positive = '00000000 3baaaaab 3f2aaaab 3f800000 3eaaaaab 3f000000 3e2aaaab 3e800000'.split(' ')
    const negative = positive.map((bits) => (parseInt(bits, 16) + 0x80000000).toString(16))
    expect(hex(code4bit.fp4)).toEqual([...positive, ...negative])
  })
})

describe('dynamic 8-bit maps', () => {
  it('signed has the bits of bitsandbytes', () => {
    const map = dynamicMap(true)
    expect(sha256(map)).toMatch(/^e732639a65f497b4/)
    expect(map).toHaveLength(256)
    expect([map[0], map[127], map[255]]).toEqual([Math.fround(-0.99296874), 0, 1])
  })

  it('unsigned has the bits of bitsandbytes', () => {
    const map = dynamicMap(false)
    expect(sha256(map)).toMatch(/^305f002cc11278fb/)
    expect(map).toHaveLength(256)
    expect([map[0], map[255]]).toEqual([0, 1])
  })
})
