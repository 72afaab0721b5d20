import { describe, expect, it } from 'vitest'
import type { Compiler } from '../../kernel/compiler/client'
import { createMessage, type Channel, type Content, type Message } from '../../kernel/protocol/message'
import type { Runner } from '../../kernel/runner/process'
import type { RunEvent, RunOutcome, RunRequest } from '../../kernel/runner/messages'
import { Kernel } from '../../kernel/session/kernel'

const identity = Buffer.from('client')
const turns = async () => {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** A kernel whose compiler passes code on and whose cells end when the test says so. */
function setUp() {
  const sent: { channel: Channel; message: Message }[] = []
  const runs: { request: RunRequest; end: (outcome?: Partial<RunOutcome>) => void }[] = []
  const said: string[] = []
  const compiler: Compiler = {
    convert: async (code) =>
      code.includes('TYPE')
        ? { ok: false, message: 'no such type', diagnostics: ['1:1 - no such type'] }
        : { ok: true, code, lines: [], sideOutputs: [] },
    complete: async (_code, position) => ({ start: position - 1, end: position, candidates: ['abc'] }),
    inspect: async (_code, position) => ({ found: position > 1, text: `at ${position}` }),
    isComplete: async (code) => ({ status: code === '(' ? 'incomplete' : 'complete' }),
    interrupt: () => {},
    forget: () => void said.push('forget'),
  }
  const runner: Runner = {
    onEvent: () => {},
    run: (request) =>
      new Promise((resolve) => {
        runs.push({ request, end: (outcome) => resolve({ userExpressions: {}, ...outcome }) })
      }),
    live: async () => ({ userExpressions: {} }),
    comm: async () => {},
    interrupt: () => void said.push('interrupt'),
    answerInput: (value) => void said.push(`input ${value}`),
  }
  const kernel = new Kernel({
    session: 'session',
    compiler,
    runner,
    send: (channel, message) => void sent.push({ channel, message }),
    shutdown: () => void said.push('shutdown'),
  })
  const request = (type: string, content: Content = {}, channel: 'shell' | 'control' | 'stdin' = 'shell') => {
    const message = createMessage('client', type, content, undefined, [identity])
    kernel.handle(channel, message)
    return message
  }
  const log = (parent?: Message) =>
    sent
      .filter(({ message }) => !parent || message.parent_header.msg_id === parent.header.msg_id)
      .map(({ message: { header, content } }) =>
        header.msg_type === 'status' ? String(content.execution_state) : header.msg_type,
      )
  const reply = (parent: Message) =>
    sent.find(
      ({ channel, message }) => channel !== 'iopub' && message.parent_header.msg_id === parent.header.msg_id,
    )!.message
  const event = (given: RunEvent) => runner.onEvent(given)
  return { kernel, sent, runs, said, request, log, reply, event }
}

const boom = { ename: 'Error', evalue: 'boom', traceback: ['Error: boom'] }

it("says that it starts, as nobody's answer", () => {
  const { kernel, sent } = setUp()
  kernel.starting()
  expect(sent.map(({ channel }) => channel)).toEqual(['iopub'])
  expect(sent[0]!.message).toMatchObject({ content: { execution_state: 'starting' }, parent_header: {} })
})

describe('execute_request', () => {
  it('goes busy, execute_input, outputs, reply, idle', async () => {
    const { request, runs, log, reply, event } = setUp()
    const message = request('execute_request', { code: '1' })
    await turns()
    event({ type: 'stream', run: 1, name: 'stdout', text: 'a' })
    event({ type: 'result', run: 1, data: { 'text/plain': '1' } })
    runs[0]!.end()
    await turns()
    expect(log(message)).toEqual([
      'busy',
      'execute_input',
      'stream',
      'execute_result',
      'execute_reply',
      'idle',
    ])
    expect(reply(message).content).toMatchObject({ status: 'ok', execution_count: 1, payload: [] })
    expect(reply(message).identities).toEqual([identity])
  })

  it('passes streams on in order', async () => {
    const { request, runs, sent, log, event } = setUp()
    const message = request('execute_request', { code: '1' })
    await turns()
    event({ type: 'stream', run: 1, name: 'stdout', text: 'a' })
    event({ type: 'stream', run: 1, name: 'stderr', text: 'b' })
    event({ type: 'stream', run: 1, name: 'stdout', text: 'c' })
    runs[0]!.end()
    await turns()
    expect(log(message).slice(2)).toEqual(['stream', 'stream', 'stream', 'execute_reply', 'idle'])
    const texts = sent.filter(({ message }) => message.header.msg_type === 'stream')
    expect(texts.map(({ message }) => message.content.text)).toEqual(['a', 'b', 'c'])
  })

  it('runs one cell at a time, in order, late output going to its own cell', async () => {
    const { request, runs, log, event } = setUp()
    const first = request('execute_request', { code: '1' })
    const second = request('execute_request', { code: '2' })
    await turns()
    expect(runs.map(({ request }) => request.code)).toEqual(['1'])
    runs[0]!.end()
    await turns()
    expect(runs.map(({ request }) => request.code)).toEqual(['1', '2'])
    event({ type: 'stream', run: 1, name: 'stdout', text: 'late' })
    runs[1]!.end()
    await turns()
    expect(log(first).at(-1)).toBe('stream')
    expect(log(second)).not.toContain('stream')
  })

  it('sends what was thrown as error and in the reply, and aborts what was queued', async () => {
    const { request, runs, log, reply, sent } = setUp()
    const first = request('execute_request', { code: '1' })
    const second = request('execute_request', { code: '2' })
    await turns()
    runs[0]!.end({ error: boom })
    await turns()
    expect(reply(first).content).toEqual({ status: 'error', execution_count: 1, ...boom })
    expect(sent.find(({ message }) => message.header.msg_type === 'error')!.message.content).toEqual(boom)
    expect(reply(second).content).toMatchObject({ status: 'aborted' })
    expect(log(second)).toEqual(['busy', 'execute_reply', 'idle'])
    request('execute_request', { code: '3' })
    await turns()
    expect(runs.map(({ request }) => request.code)).toEqual(['1', '3'])
  })

  it('goes on after an error when stop_on_error is false', async () => {
    const { request, runs } = setUp()
    request('execute_request', { code: '1', stop_on_error: false })
    request('execute_request', { code: '2' })
    await turns()
    runs[0]!.end({ error: boom })
    await turns()
    expect(runs.map(({ request }) => request.code)).toEqual(['1', '2'])
  })

  it('does not run what does not compile', async () => {
    const { request, runs, reply } = setUp()
    const message = request('execute_request', { code: 'TYPE' })
    await turns()
    expect(runs).toEqual([])
    expect(reply(message).content).toMatchObject({ status: 'error', evalue: 'no such type' })
  })

  it('counts only what is stored and says nothing when silent', async () => {
    const { request, runs, log, reply } = setUp()
    const silent = request('execute_request', { code: '1', silent: true })
    await turns()
    runs[0]!.end()
    await turns()
    const unstored = request('execute_request', { code: '2', store_history: false })
    await turns()
    runs[1]!.end()
    await turns()
    const stored = request('execute_request', { code: '3' })
    await turns()
    runs[2]!.end()
    await turns()
    expect(log(silent)).toEqual(['busy', 'execute_reply', 'idle'])
    expect(reply(unstored).content.execution_count).toBe(0)
    expect(reply(stored).content.execution_count).toBe(1)
    const history = request('history_request', { hist_access_type: 'tail', n: 5 })
    await turns()
    expect(reply(history).content).toEqual({ status: 'ok', history: [[0, 1, '3']] })
  })

  it('sends displays, their updates and clear_output, JSON types as JSON', async () => {
    const { request, sent, event } = setUp()
    request('execute_request', { code: '1' })
    await turns()
    event({ type: 'display', run: 1, data: { 'application/json': '{"a":1}' }, id: 'x', update: false })
    event({ type: 'display', run: 1, data: { 'text/plain': 'b' }, id: 'x', update: true })
    event({ type: 'clear', run: 1, wait: true })
    const [display, update, clear] = sent
      .slice(-3)
      .map(({ message }) => [message.header.msg_type, message.content])
    const transient = { display_id: 'x' }
    expect(display).toEqual([
      'display_data',
      { data: { 'application/json': { a: 1 } }, metadata: {}, transient },
    ])
    expect(update).toEqual(['update_display_data', { data: { 'text/plain': 'b' }, metadata: {}, transient }])
    expect(clear).toEqual(['clear_output', { wait: true }])
  })

  it('asks for input on the stdin channel and hands the answer on', async () => {
    const { request, sent, said, event } = setUp()
    request('execute_request', { code: '1', allow_stdin: true })
    await turns()
    event({ type: 'input', run: 1, prompt: 'who?', password: false })
    expect(sent.at(-1)!.channel).toBe('stdin')
    expect(sent.at(-1)!.message.content).toEqual({ prompt: 'who?', password: false })
    expect(sent.at(-1)!.message.identities).toEqual([identity])
    request('input_reply', { value: 'me' }, 'stdin')
    expect(said).toEqual(['input me'])
  })
})

it('a new process of cells: declarations are forgotten, and comms are closed', async () => {
  const { kernel, request, reply, said } = setUp()
  request('comm_open', { comm_id: 'a', target_name: 't' })
  kernel.restarted()
  const comms = request('comm_info_request')
  await turns()
  expect(said).toContain('forget')
  expect(reply(comms).content.comms).toEqual({})
})

describe('other requests', () => {
  it('are answered while a cell runs, and the state stays busy', async () => {
    const { request, log, reply } = setUp()
    const cell = request('execute_request', { code: '1' })
    await turns()
    const info = request('kernel_info_request')
    await turns()
    expect(log(info)).toEqual(['busy', 'kernel_info_reply', 'idle'])
    expect(reply(info).content).toMatchObject({ status: 'ok', language_info: { name: 'typescript' } })
    expect(log().at(-1)).toBe('busy')
    expect(log(cell)).toEqual(['busy', 'execute_input', 'busy'])
  })

  it('count cursor positions in code points', async () => {
    const { request, reply } = setUp()
    const complete = request('complete_request', { code: '😀.a', cursor_pos: 3 })
    const inspect = request('inspect_request', { code: '😀.a', cursor_pos: 3, detail_level: 0 })
    await turns()
    expect(reply(complete).content).toMatchObject({
      cursor_start: 2,
      cursor_end: 3,
      matches: ['abc'],
      status: 'ok',
    })
    expect(reply(inspect).content).toMatchObject({ found: true, data: { 'text/plain': 'at 4' } })
  })

  it('comm_info, is_complete, interrupt and shutdown', async () => {
    const { request, reply, said } = setUp()
    const comm = request('comm_info_request')
    const open = request('is_complete_request', { code: '(' })
    const interrupt = request('interrupt_request', {}, 'control')
    const shutdown = request('shutdown_request', { restart: true }, 'control')
    await turns()
    expect(reply(comm).header.msg_type).toBe('comm_info_reply')
    expect(reply(comm).content).toEqual({ status: 'ok', comms: {} })
    expect(reply(open).content).toEqual({ status: 'incomplete' })
    expect(reply(interrupt).content).toEqual({ status: 'ok' })
    expect(reply(shutdown).content).toEqual({ status: 'ok', restart: true })
    expect(said).toEqual(['interrupt', 'shutdown'])
  })

  it('reply with an error when the request makes no sense', async () => {
    const { request, reply } = setUp()
    const complete = request('complete_request', { code: 5 })
    await turns()
    expect(reply(complete).content).toMatchObject({ status: 'error', ename: 'Error' })
  })
})
