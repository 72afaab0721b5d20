import { afterEach, describe, expect, it } from 'vitest'
import { detectOutput, hookSymbol, type MimeBundle } from '../../src/display/output'
import { fakeStream } from './fake-output'

const globals = globalThis as Record<PropertyKey, unknown>

afterEach(() => {
  delete globals[hookSymbol]
  delete globals['__tslab__']
})

describe('detectOutput', () => {
  it('prints the text form, one line each, on a pipe and on a terminal', async () => {
    const pipe = fakeStream(false)
    const output = detectOutput(pipe)
    const handle = output.show({ 'text/plain': 'a', 'text/html': '<b>a</b>' })
    handle.update({ 'text/plain': 'b' })
    await new Promise(setImmediate)
    expect([output.kind, pipe.text()]).toEqual(['plain', 'a\nb\n'])
    expect(detectOutput(fakeStream(true)).kind).toBe('tty')
  })

  it('sends the richest form through the tslab that runs the cell, updates to the same display', () => {
    const sent: unknown[] = []
    let displays = 0
    const tslab = {
      newDisplay: () => {
        const id = displays++
        return { raw: (mime: string, content: unknown) => sent.push([id, mime, content]) }
      },
    }
    globals['__tslab__'] = { require: (name: string) => (name === 'tslab' ? tslab : undefined) }
    const output = detectOutput()
    expect([output.kind, output.bundles]).toEqual(['rich', false])
    const handle = output.show({ 'text/plain': 'a', 'text/html': '<b>a</b>', 'image/png': new Uint8Array(1) })
    handle.update({ 'text/plain': 'only text' })
    output.show({ 'text/plain': 'x', 'image/png': new Uint8Array([7]) })
    expect(sent).toEqual([
      [0, 'text/html', '<b>a</b>'],
      [0, 'text/plain', 'only text'],
      [1, 'image/png', new Uint8Array([7])],
    ])
  })

  it('prefers a kernel hook, which gets whole bundles', () => {
    const calls: unknown[] = []
    globals['__tslab__'] = { require: () => ({ newDisplay: () => undefined }) }
    globals[hookSymbol] = {
      display: (bundle: MimeBundle) => (calls.push(bundle), 'id-1'),
      update: (id: string, bundle: MimeBundle) => calls.push([id, bundle]),
    }
    const output = detectOutput()
    const bundle = { 'text/plain': 'a', 'text/html': '<b>a</b>' }
    output.show(bundle).update({ 'text/plain': 'b' })
    expect([output.kind, output.bundles]).toEqual(['rich', true])
    expect(calls).toEqual([bundle, ['id-1', { 'text/plain': 'b' }]])
  })

  it('is not taken in by an unrelated __tslab__ global', () => {
    globals['__tslab__'] = { require: () => ({}) }
    expect(detectOutput(fakeStream(false)).kind).toBe('plain')
  })
})
