import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { MessageLog } from '../../kernel/protocol/log'
import { createMessage } from '../../kernel/protocol/message'

let folder: string
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'log-'))))
afterEach(() => rmSync(folder, { recursive: true }))

it('writes a line of JSON a message, without what a user typed at a prompt', () => {
  const file = join(folder, 'messages.jsonl')
  const request = createMessage('s', 'execute_request', { code: '1' }, undefined, [Buffer.from('client')])
  const log = new MessageLog(file)
  log.add('in', 'shell', request)
  log.add('out', 'iopub', { ...createMessage('s', 'comm_msg', {}, request), buffers: [Buffer.alloc(5)] })
  log.add('in', 'stdin', createMessage('s', 'input_reply', { value: 'secret' }))
  const text = readFileSync(file, 'utf8')
  expect(text).not.toContain('secret')
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as object)
  expect(lines).toMatchObject([
    {
      way: 'in',
      channel: 'shell',
      type: 'execute_request',
      id: request.header.msg_id,
      parent: null,
      content: { code: '1' },
    },
    { way: 'out', channel: 'iopub', type: 'comm_msg', parent: request.header.msg_id, buffers: [5] },
    { way: 'in', channel: 'stdin', type: 'input_reply', content: '(hidden)' },
  ])
  expect(statSync(file).mode & 0o777).toBe(0o600)
})
