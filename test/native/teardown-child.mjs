// Environments that end while native work is under way; started by teardown.test.ts as `node teardown-child.mjs <scenario>`.
import { createRequire } from 'node:module'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

const load = () => createRequire(import.meta.url)(process.env.QLORA_ADDON ?? '../../build/Release/qlora.node')

/** Products of some milliseconds in all, and a promise behind them. */
function work(native) {
  const cpu = native.open_device('cpu')
  const [a, b, out] = [0, 1, 2].map((i) => {
    const t = native.tensor_empty(cpu, 'float32', [96, 96])
    native.fill(t, i)
    return t
  })
  for (let i = 0; i < 20; i++) native.matmul(a, b, out, false, false, 1, 0, 'float32')
  return native.tensor_read(out)
}

/** What a worker does until it is ended. */
const loops = {
  waits: async (native) => {
    for (;;) await work(native)
  },
  enqueues: async (native) => {
    for (let pending = []; ; pending = []) {
      for (let i = 0; i < 10; i++) pending.push(work(native).catch(() => undefined))
      await Promise.all(pending)
    }
  },
  'ends itself': (native) => {
    for (let i = 0; i < 5; i++) void work(native)
    process.exit(0)
  },
}

async function endWorkers(loop, times) {
  for (let i = 0; i < times; i++) {
    const worker = new Worker(import.meta.filename, { workerData: loop })
    const ended = new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject))
    await Promise.race([ended, new Promise((resolve) => worker.once('message', resolve))])
    await sleep(Math.random() * 25)
    await worker.terminate()
    await ended
  }
}

const scenarios = {
  /** The main thread never loads the addon: Node closes it with each worker. */
  async workers() {
    for (const loop of Object.keys(loops)) await endWorkers(loop, 12)
  },
  /** The main thread computes meanwhile, and gets right results. */
  async beside() {
    const native = load()
    let over = false
    const mine = (async () => {
      while (!over) {
        const values = new Float32Array(await work(native))
        if (values.some((v) => v !== 0)) throw new Error(`expected zeros, got ${values[0]}`)
        await sleep(1)
      }
    })()
    await Promise.all(['waits', 'enqueues'].map((loop) => endWorkers(loop, 10)))
    over = true
    await mine
  },
  async exit() {
    const native = load()
    void loops.enqueues(native)
    await sleep(Math.random() * 30)
    process.exit(3)
  },
}

if (isMainThread) {
  await scenarios[process.argv[2]]()
  console.log('survived')
} else {
  const native = load()
  parentPort.postMessage('started')
  await loops[workerData](native)
}
