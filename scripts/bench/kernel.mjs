/**
 * `npm run bench:kernel`: start, cells, completion and memory of this kernel beside tslab, Deno and ipykernel, those of them that are found.
 * Usage: kernel.mjs [--rounds 40] [--starts 5] [--main dist-kernel/main.js]
 */
import '../setup/help.mjs'
import { execFileSync, spawn } from 'node:child_process'
import { createHmac, randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { cpus, loadavg, tmpdir, totalmem } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { Dealer, Subscriber } from 'zeromq'

const root = resolve(import.meta.dirname, '../..')
const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '40' },
    starts: { type: 'string', default: '5' },
    main: { type: 'string', default: 'dist-kernel/main.js' },
  },
})
const rounds = Number(options.rounds)
const starts = Number(options.starts)

const typescript = {
  trivial: () => '1 + 1',
  typed: (turn) => `const x${turn % 5}: number = ${turn}\nx${turn % 5} + 1`,
  complete: 'Math.m',
}
const python = {
  trivial: () => '1 + 1',
  typed: (turn) => `x${turn % 5}: int = ${turn}\nx${turn % 5} + 1`,
  complete: 'int.f',
}

function onPath(name, more = []) {
  const folders = [...more, ...(process.env.PATH ?? '').split(delimiter)]
  return folders.map((folder) => join(folder, name)).find((file) => existsSync(file))
}

function hasIpykernel(file) {
  try {
    execFileSync(file, ['-c', 'import ipykernel'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

function findKernels() {
  const main = resolve(root, options.main)
  const tslab = join(root, 'node_modules/tslab/bin/tslab')
  const deno = onPath('deno')
  const snake = onPath('python', [join(root, '.venv/bin')])
  const flags = ['--no-force-async-hooks-checks', '--disable-warning=ExperimentalWarning']
  const found = [
    { name: 'qlora', argv: [process.execPath, ...flags, main], cells: typescript },
    { name: 'tslab', argv: [process.execPath, tslab, 'kernel', '--config-path'], cells: typescript },
  ]
  if (deno) found.push({ name: 'Deno', argv: [deno, 'jupyter', '--kernel', '--conn'], cells: typescript })
  if (snake && hasIpykernel(snake))
    found.push({ name: 'ipykernel', argv: [snake, '-m', 'ipykernel_launcher', '-f'], cells: python })
  return found
}

async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer())
  await Promise.all(servers.map((server) => new Promise((done) => server.listen(0, '127.0.0.1', done))))
  const ports = servers.map((server) => server.address().port)
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))))
  return ports
}

const running = new Set()

/** A running kernel and a client of it. */
class Session {
  #session = randomUUID()
  #key = randomUUID()
  #replies = new Map()

  static async start(kernel, folder) {
    const session = new Session()
    session.name = kernel.name
    session.cells = kernel.cells
    const [shell, iopub, stdin, control, hb] = await freePorts(5)
    const file = join(folder, `${kernel.name}-${shell}.json`)
    const ports = {
      shell_port: shell,
      iopub_port: iopub,
      stdin_port: stdin,
      control_port: control,
      hb_port: hb,
    }
    const fixed = { ip: '127.0.0.1', transport: 'tcp', signature_scheme: 'hmac-sha256', key: session.#key }
    writeFileSync(file, JSON.stringify({ ...ports, ...fixed }))
    const [command, ...given] = kernel.argv
    const begun = performance.now()
    session.process = spawn(command, [...given, file], { cwd: folder, stdio: 'ignore' })
    running.add(session.process)
    session.process.once('exit', () => running.delete(session.process))
    session.shell = new Dealer({ reconnectInterval: 20 })
    session.iopub = new Subscriber({ reconnectInterval: 20 })
    session.shell.connect(`tcp://127.0.0.1:${shell}`)
    session.iopub.connect(`tcp://127.0.0.1:${iopub}`)
    session.iopub.subscribe()
    void session.#receive(session.shell, 'reply')
    void session.#receive(session.iopub, 'idle')
    await session.request('kernel_info_request', {}, ['reply'])
    session.ready = performance.now() - begun
    // What is published before the subscription has arrived is lost.
    let subscribed = false
    while (!subscribed) {
      const pause = new Promise((done) => setTimeout(done, 100, false))
      subscribed = await Promise.race([
        session.request('kernel_info_request', {}, ['reply', 'idle'], false).then(() => true),
        pause,
      ])
    }
    await session.run('1')
    session.first = performance.now() - begun - session.ready
    return session
  }

  /** Milliseconds until the reply and the idle state have come. */
  async request(type, content, wanted = ['reply', 'idle'], must = true) {
    const id = randomUUID()
    const header = { msg_id: id, msg_type: type, session: this.#session, username: '', version: '5.3' }
    const parts = [{ ...header, date: new Date().toISOString() }, {}, {}, content].map((part) =>
      JSON.stringify(part),
    )
    const signature = parts
      .reduce((mac, part) => mac.update(part), createHmac('sha256', this.#key))
      .digest('hex')
    const done = new Promise((end) => this.#replies.set(id, { wanted: new Set(wanted), end }))
    const begun = performance.now()
    await this.shell.send(['<IDS|MSG>', signature, ...parts])
    const tooLong = must && setTimeout(() => fail(`${this.name}: no answer to ${type} in 60 s`), 60_000)
    await done
    clearTimeout(tooLong)
    return performance.now() - begun
  }

  run(code) {
    const content = { code, silent: false, store_history: true, user_expressions: {}, allow_stdin: false }
    return this.request('execute_request', { ...content, stop_on_error: true })
  }

  complete(code) {
    return this.request('complete_request', { code, cursor_pos: code.length })
  }

  async #receive(socket, what) {
    for await (const frames of socket) {
      const at = frames.findIndex((frame) => frame.toString() === '<IDS|MSG>')
      const [, , parent, , content] = frames
        .slice(at + 1)
        .map((frame, i) => (i === 0 ? '' : JSON.parse(frame)))
      if (what === 'idle' && content.execution_state !== 'idle') continue
      const waiting = this.#replies.get(parent.msg_id)
      waiting?.wanted.delete(what)
      if (waiting?.wanted.size === 0) waiting.end()
    }
  }

  /** Megabytes, of the process and all it has started; the program's file, which they share, counts once (Linux). */
  memory() {
    if (existsSync('/proc/self/status')) {
      const all = [this.process.pid, ...descendants(this.process.pid)].map((pid) => {
        const status = readFileSync(`/proc/${pid}/status`, 'utf8')
        const of = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)[1])
        return { own: of('RssAnon') + of('RssShmem'), file: of('RssFile') }
      })
      const own = all.reduce((sum, process) => sum + process.own, 0)
      return ((own + Math.max(...all.map(({ file }) => file))) * 1024) / 1e6
    }
    const table = execFileSync('ps', ['-e', '-o', 'pid=,ppid=,rss='], { encoding: 'utf8' })
    const rows = table
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/).map(Number))
    const of = (pid) =>
      rows.reduce(
        (sum, [own, parent, rss]) => sum + (own === pid ? rss : 0) + (parent === pid ? of(own) : 0),
        0,
      )
    return (of(this.process.pid) * 1024) / 1e6
  }

  /** Milliseconds of processor time so far, of the process and its children (Linux); other work on the machine hardly changes it. */
  processor() {
    const of = (pid) => {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')
      const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)
      return children.reduce((sum, child) => sum + of(child), 10 * (Number(fields[11]) + Number(fields[12])))
    }
    return existsSync(`/proc/${this.process.pid}/stat`) ? of(this.process.pid) : NaN
  }

  async stop() {
    this.shell.close()
    this.iopub.close()
    this.process.kill('SIGKILL')
    await new Promise((done) => this.process.once('exit', done))
  }
}

function descendants(pid) {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)
  return children.flatMap((child) => [child, ...descendants(child)])
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

function fail(message) {
  console.error(message)
  for (const { pid } of running) process.kill(pid, 'SIGKILL')
  process.exit(1)
}

const version = (file) => JSON.parse(readFileSync(join(root, file), 'utf8')).version
const folder = mkdtempSync(join(tmpdir(), 'bench-kernel-'))
const kernels = findKernels()
const seen = new Map(
  kernels.map(({ name }) => [
    name,
    { ready: [], first: [], startWork: [], trivial: [], typed: [], complete: [] },
  ]),
)

// Once for what is kept between starts (compiled code, Python's files).
for (const kernel of kernels) {
  const session = await Session.start(kernel, folder)
  await new Promise((done) => setTimeout(done, 3000))
  await session.stop()
}
for (let turn = 0; turn < starts; turn++) {
  for (const kernel of kernels) {
    const session = await Session.start(kernel, folder)
    seen.get(kernel.name).ready.push(session.ready)
    seen.get(kernel.name).first.push(session.first)
    seen.get(kernel.name).startWork.push(session.processor())
    await session.stop()
  }
}
const sessions = []
for (const kernel of kernels) {
  const session = await Session.start(kernel, folder)
  await new Promise((done) => setTimeout(done, 5000))
  seen.get(kernel.name).memory = [session.memory()]
  sessions.push(session)
}
const warming = 20
for (let turn = 0; turn < warming + rounds; turn++) {
  for (const session of sessions) {
    if (turn === warming) session.before = session.processor()
    const times = {
      trivial: await session.run(session.cells.trivial(turn)),
      typed: await session.run(session.cells.typed(turn)),
      complete: await session.complete(session.cells.complete),
    }
    if (turn < warming) continue
    for (const [what, time] of Object.entries(times)) seen.get(session.name)[what].push(time)
  }
}
for (const session of sessions) {
  seen.get(session.name).after = [session.memory()]
  seen.get(session.name).work = [(session.processor() - session.before) / (3 * rounds)]
  await session.stop()
}
rmSync(folder, { recursive: true })

const rows = [
  ['ready (kernel_info answered), ms', 'ready'],
  ['first cell after that, ms', 'first'],
  ['processor time until then, ms', 'startWork'],
  ['trivial cell `1 + 1`, ms', 'trivial'],
  ['typed cell, ms', 'typed'],
  ['completion, ms', 'complete'],
  ['processor time of one of these, ms', 'work'],
  ['memory when idle, MB', 'memory'],
  [`memory after ${2 * (rounds + warming)} cells, MB`, 'after'],
]
const shown = (number) => number.toFixed(number < 20 ? 1 : 0)
console.log(
  `${new Date().toISOString().slice(0, 10)}, ${cpus().length} x ${cpus()[0].model}, ${Math.round(totalmem() / 2 ** 30)} GB,`,
)
console.log(
  `Node ${process.version}, tslab ${version('node_modules/tslab/package.json')}; load average at the end ${loadavg()[0].toFixed(1)}.`,
)
console.log(`Medians: ${starts} starts, ${rounds} cells of each kind, the kernels in turn.\n`)
console.log(`|  | ${kernels.map(({ name }) => name).join(' | ')} |`)
console.log(`| --- | ${kernels.map(() => '---:').join(' | ')} |`)
for (const [title, what] of rows) {
  console.log(`| ${title} | ${kernels.map(({ name }) => shown(median(seen.get(name)[what]))).join(' | ')} |`)
}
process.exit(0)
