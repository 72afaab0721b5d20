import { createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createMessage } from '../../kernel/protocol/message'
import { Wire } from '../../kernel/protocol/wire'

const key = 'secret'
const request = () => createMessage('s', 'kernel_info_request', { a: 1 }, undefined, [Buffer.from('me')])

describe('Wire', () => {
  it('reads what it wrote', () => {
    const sent = { ...request(), buffers: [Buffer.from([1, 2])] }
    expect(new Wire(key).decode(new Wire(key).encode(sent))).toEqual(sent)
  })

  it('signs header, parent, metadata and content with HMAC-SHA256', () => {
    const [, , signature, ...parts] = new Wire(key).encode(request())
    const hmac = createHmac('sha256', key)
    for (const part of parts) hmac.update(part)
    expect(signature!.toString()).toBe(hmac.digest('hex'))
  })

  it('refuses another key, a missing signature and a changed part', () => {
    const wire = new Wire(key)
    expect(() => wire.decode(new Wire('other').encode(request()))).toThrow('signature')
    expect(() => wire.decode(new Wire('').encode(request()))).toThrow('signature')
    const frames = wire.encode(request())
    frames[6] = Buffer.from('{"a":2}')
    expect(() => wire.decode(frames)).toThrow('signature')
  })

  it('refuses a replay', () => {
    const wire = new Wire(key)
    const frames = wire.encode(request())
    wire.decode(frames)
    expect(() => wire.decode(frames)).toThrow('replayed')
  })

  it('neither signs nor checks with an empty key', () => {
    const wire = new Wire('')
    const frames = wire.encode(request())
    expect(frames[2]!.length).toBe(0)
    expect(wire.decode(frames).content).toEqual({ a: 1 })
    expect(wire.decode(frames).content).toEqual({ a: 1 })
  })

  it.each([
    ['no delimiter', () => [Buffer.from('x')]],
    ['no frames', () => []],
    ['too few parts', () => new Wire('').encode(request()).slice(0, 5)],
    ['no JSON', () => new Wire('').encode(request()).map((f, i) => (i === 3 ? Buffer.from('{') : f))],
    ['no object', () => new Wire('').encode(request()).map((f, i) => (i === 3 ? Buffer.from('[]') : f))],
    ['no msg_type', () => new Wire('').encode(request()).map((f, i) => (i === 3 ? Buffer.from('{}') : f))],
  ])('throws for malformed frames: %s', (_, frames) => {
    expect(() => new Wire('').decode(frames())).toThrow()
  })
})

it('lives through 10,000 seeded mutations: each throws or is a message', () => {
  let seed = 1
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((seed / 2 ** 32) * below)
  }
  const original = new Wire('').encode(request())
  for (let turn = 0; turn < 10_000; turn++) {
    const frames = original.map((frame) => Buffer.from(frame))
    for (let change = random(4); change >= 0; change--) {
      const at = random(frames.length)
      const kind = random(3)
      if (kind === 0) frames.splice(at, 1)
      else if (kind === 1) frames.splice(at, 0, Buffer.from([random(256), random(256)]))
      else if (frames[at]!.length > 0) frames[at]![random(frames[at]!.length)] = random(256)
      if (frames.length === 0) break
    }
    let type: string | undefined
    try {
      type = typeof new Wire('').decode(frames).header.msg_type
    } catch (error) {
      expect(error).toBeInstanceOf(Error)
    }
    expect([undefined, 'string']).toContain(type)
  }
})
