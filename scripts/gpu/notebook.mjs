// Runs a notebook's code cells in order in the kernel's own process, over its sockets, on a machine without Jupyter; writes the
// notebook with its outputs. One printed line a cell; a failing cell ends the run with exit status 1.
// usage: node notebook.mjs NOTEBOOK OUTPUT [--cwd DIR] [--seconds N] [--cell-seconds N] [--before CODE] [--pictures DIR]
//   --cwd       where the kernel starts; default: the notebook's folder
//   --seconds   for the whole notebook; default 3600
//   --cell-seconds  a cell that runs longer is interrupted: a training then ends between two steps, and the next cells run
//   --before    TypeScript to run before the first cell; not kept
//   --pictures  a folder for the PNG outputs and the last frame of each chart
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'

const root = resolve(import.meta.dirname, '../..')
const require = createRequire(join(root, 'dist-kernel/main.js'))
const { Dealer, Subscriber } = require('zeromq')
const { Wire } = require('./protocol/wire.js')
const { createMessage } = require('./protocol/message.js')
const { kernelSpec } = require('./install/spec.js')

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    cwd: { type: 'string' },
    seconds: { type: 'string', default: '3600' },
    'cell-seconds': { type: 'string' },
    before: { type: 'string' },
    pictures: { type: 'string' },
  },
})
const [input, output] = positionals
const session = randomUUID()

async function freePort() {
  const server = createServer()
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address()
  await new Promise((done) => server.close(done))
  return port
}

/** Turns iopub messages into a cell's outputs, as nbclient does. */
class Outputs {
  /** Display id to the outputs that show it, of all cells, and how often it was replaced. */
  displays = new Map()
  cell = undefined

  take(type, content) {
    const id = content.transient?.display_id
    if (type === 'stream') {
      const last = this.cell.outputs.at(-1)
      if (last?.output_type === 'stream' && last.name === content.name) last.text += content.text
      else this.cell.outputs.push({ output_type: 'stream', name: content.name, text: content.text })
    } else if (type === 'display_data' || type === 'execute_result') {
      const { data, metadata, execution_count } = content
      const shown = { output_type: type, data, metadata }
      if (type === 'execute_result') shown.execution_count = execution_count
      this.cell.outputs.push(shown)
      if (id !== undefined)
        this.displays.set(id, { shown: [...(this.displays.get(id)?.shown ?? []), shown], updates: 0 })
    } else if (type === 'update_display_data') {
      const display = this.displays.get(id)
      if (display === undefined) return
      display.updates += 1
      for (const shown of display.shown)
        Object.assign(shown, { data: content.data, metadata: content.metadata })
    } else if (type === 'error') {
      const { ename, evalue, traceback } = content
      this.cell.outputs.push({ output_type: 'error', ename, evalue, traceback })
    } else if (type === 'clear_output') this.cell.outputs = []
  }
}

class Client {
  outputs = new Outputs()
  /** Message id of a request to what waits for it. */
  waiting = new Map()
  shell = new Dealer({ linger: 0 })
  iopub = new Subscriber({ linger: 0 })

  static async start(cwd) {
    const client = new Client()
    client.folder = mkdtempSync(join(tmpdir(), 'qlora-notebook-'))
    const [shell_port, iopub_port, stdin_port, control_port, hb_port] = await Promise.all(
      Array.from({ length: 5 }, freePort),
    )
    const connection = {
      transport: 'tcp',
      ip: '127.0.0.1',
      key: randomUUID(),
      signature_scheme: 'hmac-sha256',
    }
    const file = join(client.folder, 'connection.json')
    writeFileSync(
      file,
      JSON.stringify({ ...connection, shell_port, iopub_port, stdin_port, control_port, hb_port }),
    )
    const { argv, env } = kernelSpec()
    const [command, ...words] = argv.map((word) => (word === '{connection_file}' ? file : word))
    client.process = spawn(command, words, {
      cwd,
      env: { ...process.env, ...env, JUPYTER_DATA_DIR: client.folder },
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    client.exited = new Promise((done) => client.process.once('exit', (code, signal) => done(code ?? signal)))
    client.wire = new Wire(connection.key)
    client.shell.connect(`tcp://127.0.0.1:${shell_port}`)
    client.iopub.connect(`tcp://127.0.0.1:${iopub_port}`)
    client.iopub.subscribe()
    const welcome = new Promise((done) => (client.welcome = done))
    void client.listen()
    void client.receive()
    await welcome
    return client
  }

  async listen() {
    for await (const frames of this.iopub) {
      const { header, parent_header, content } = this.wire.decode(frames)
      if (header.msg_type === 'iopub_welcome') this.welcome()
      const request = this.waiting.get(parent_header.msg_id)
      if (header.msg_type === 'status') {
        if (content.execution_state === 'idle') request?.idle()
      } else if (request !== undefined || header.msg_type === 'update_display_data')
        this.outputs.take(header.msg_type, content)
    }
  }

  async receive() {
    for await (const frames of this.shell) {
      const { parent_header, content } = this.wire.decode(frames)
      this.waiting.get(parent_header.msg_id)?.reply(content)
    }
  }

  /** The reply to a request, once its outputs are in too; rejects when the kernel ends. */
  async ask(type, content) {
    const message = createMessage(session, type, content)
    const waits = {}
    const reply = new Promise((done) => (waits.reply = done))
    const idle = new Promise((done) => (waits.idle = done))
    this.waiting.set(message.header.msg_id, waits)
    await this.shell.send(this.wire.encode(message))
    const ended = this.exited.then((code) => Promise.reject(new Error(`the kernel ended (${code})`)))
    const [answer] = await Promise.race([Promise.all([reply, idle]), ended])
    this.waiting.delete(message.header.msg_id)
    return answer
  }

  execute(code) {
    return this.ask('execute_request', {
      ...{
        code,
        silent: false,
        store_history: true,
        user_expressions: {},
        allow_stdin: false,
        stop_on_error: true,
      },
    })
  }

  async close() {
    this.process.kill('SIGTERM')
    await this.exited
    this.shell.close()
    this.iopub.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

const plain = (cell) =>
  cell.outputs
    .map(({ output_type, text, data, traceback }) =>
      output_type === 'error' ? traceback.join('\n') : (text ?? data['text/plain'] ?? ''),
    )
    .join('\n')

async function writePictures(cells, folder) {
  const { svgToPng } = createRequire(import.meta.url)(join(root, 'dist/display/chart-png.js'))
  mkdirSync(folder, { recursive: true })
  for (const [index, { outputs = [] }] of cells.entries())
    for (const [i, { data = {} }] of outputs.entries()) {
      const file = join(folder, `cell-${String(index).padStart(2, '0')}-${i}.png`)
      const svg = /<img src="data:image\/svg\+xml;base64,([^"]+)"/.exec(data['text/html'] ?? '')?.[1]
      if (data['image/png'] !== undefined) writeFileSync(file, Buffer.from(data['image/png'], 'base64'))
      else if (svg !== undefined) writeFileSync(file, await svgToPng(Buffer.from(svg, 'base64').toString()))
    }
}

const notebook = JSON.parse(readFileSync(input, 'utf8'))
const cells = notebook.cells.filter(
  ({ cell_type, source }) => cell_type === 'code' && [source].flat().join('').trim() !== '',
)
for (const cell of cells) Object.assign(cell, { outputs: [], execution_count: null })
const client = await Client.start(resolve(values.cwd ?? dirname(input)))
const limit = setTimeout(
  () => {
    console.error(`the notebook took longer than ${values.seconds} s`)
    client.process.kill('SIGKILL')
  },
  Number(values.seconds) * 1000,
)
let failure
try {
  if (values.before !== undefined) {
    client.outputs.cell = { outputs: [] }
    const { status } = await client.execute(values.before)
    if (status !== 'ok') throw new Error(`--before: ${plain(client.outputs.cell)}`)
  }
  for (const [i, cell] of cells.entries()) {
    const source = [cell.source].flat().join('')
    client.outputs.cell = cell
    const began = performance.now()
    const interrupt = setTimeout(
      () => {
        console.log(`cell ${i + 1} is interrupted`)
        client.process.kill('SIGINT')
      },
      Number(values['cell-seconds'] ?? values.seconds) * 1000,
    )
    const { status, execution_count } = await client.execute(source)
    clearTimeout(interrupt)
    cell.execution_count = execution_count
    const seconds = ((performance.now() - began) / 1000).toFixed(1).padStart(7)
    const first = source.split('\n').find((line) => line.trim() !== '')
    console.log(`[${String(i + 1).padStart(2)}/${cells.length}] ${seconds} s  ${first.slice(0, 80)}`)
    if (status !== 'ok') throw new Error(`cell ${i + 1}: ${plain(cell)}`)
  }
} catch (error) {
  failure = error.message
}
clearTimeout(limit)
for (const { shown, updates } of client.outputs.displays.values())
  if (updates > 0) console.log(`shown in ${updates + 1} frames, the last:\n${shown[0].data['text/plain']}`)
mkdirSync(dirname(resolve(output)), { recursive: true })
writeFileSync(output, JSON.stringify(notebook, null, 1) + '\n')
if (values.pictures !== undefined) await writePictures(notebook.cells, values.pictures)
await client.close()
if (failure !== undefined) {
  console.error(failure)
  process.exitCode = 1
}
