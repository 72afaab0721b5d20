// What must not end a session: a GPU that is full, a fault in a kernel, an interrupt, a second process. Each ends in a clear
// error, the process goes on, and memory comes back. Exit code 1 when one does not.
// usage: node safety.mjs      QLORA_TEST_DEVICE: default cuda:0 (on 'cpu' only what needs no GPU); QLORA_ADDON names the addon
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { writeCheckpoint } from '../../scripts/gpu/random-checkpoint.mjs'

const root = resolve(import.meta.dirname, '../..')
const dist = process.env['QLORA_TEST_DIST'] ?? join(root, 'dist')
const require = createRequire(import.meta.url)
const library = require(join(dist, 'index.js'))
const { AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, Dataset, Device, LoraConfig } = library
const { SFTConfig, SFTTrainer, get_peft_model, cuda } = library
const { fill } = require(join(dist, 'tensor/ops.js'))
const name = process.env['QLORA_TEST_DEVICE'] ?? 'cuda:0'
const onGpu = name !== 'cpu'
const device = Device.get(name)
const folder = process.env['QLORA_SAFETY_FOLDER'] ?? mkdtempSync(join(tmpdir(), 'qlora-safety-'))
const MiB = 2 ** 20

const quantization_config = new BitsAndBytesConfig({
  load_in_4bit: true,
  bnb_4bit_quant_type: 'nf4',
  bnb_4bit_compute_dtype: 'bfloat16',
})
const load = (options = {}) =>
  AutoModelForCausalLM.from_pretrained(folder, { quantization_config, device_map: name, ...options })
const adapted = (model) =>
  get_peft_model(model, new LoraConfig({ r: 8, target_modules: ['q_proj', 'v_proj'] }))
const rows = (count, length) =>
  Array.from({ length: count }, (_, b) => Array.from({ length }, (_, t) => 2 + ((7 * t + b) % 250)))

/** One forward and backward; the loss. */
async function pass(model, count, length) {
  const input_ids = rows(count, length)
  const { loss } = await model.forward_backward({ input_ids, labels: input_ids })
  for (const parameter of model.parameters()) parameter.zeroGrad()
  return loss
}

/** Bytes of the GPU that anyone may take, when what was released has been given back. */
async function free() {
  device.emptyCache()
  await device.synchronize()
  if (onGpu) return cuda.mem_get_info(device.name.slice(5) * 1)[0]
  return -device.memoryStats().allocated
}

async function refused(work) {
  try {
    await work()
  } catch (error) {
    return error.message
  }
  throw new Error('it was not refused')
}

function must(condition, what) {
  if (!condition) throw new Error(what)
}
function mustMatch(text, ...patterns) {
  for (const pattern of patterns) must(pattern.test(text), `expected ${pattern} in: ${text}`)
}

// -- in processes of their own -----------------------------------------------------------------------
const children = {
  /** Trains beside the parent, then takes nearly all that is free until it is told to end. */
  async second() {
    const model = adapted(await load())
    console.log(`loss ${await pass(model, 2, 64)}`)
    model.dispose()
    const rest = (await free()) - 256 * MiB
    const ballast = device.empty([Math.floor(rest / 4)])
    fill(ballast, 0)
    await device.synchronize()
    console.log('holding')
    await new Promise((end) => process.stdin.once('data', end))
  },

  /** A fault in a kernel: what is on the host survives. */
  async fault() {
    const model = adapted(await load())
    await pass(model, 1, 32)
    const host = adapted(await load({ device_map: 'cpu' }))
    try {
      process.dlopen({ exports: {} }, process.env['QLORA_FAULT_LIBRARY'])
    } catch {
      // It is no addon; its constructor has run.
    }
    const first = await refused(() => pass(model, 1, 32))
    const second = await refused(() => model.generate({ input_ids: [[2, 3, 4]] }))
    const third = await refused(() => load())
    for (const text of [first, second, third])
      mustMatch(text, /an illegal memory access|unspecified launch failure/, /start a new process/)
    await host.save_pretrained(join(folder, 'adapter'))
    await pass(host, 1, 8)
    model.dispose()
    console.log(`told: ${first}`)
  },
}

// -- checks ---------------------------------------------------------------------------------------------
const checks = {
  async 'memory comes back when a model is disposed of'() {
    await free()
    const before = await free()
    const model = adapted(await load())
    await pass(model, 2, 256)
    const during = await free()
    model.dispose()
    const after = await free()
    must(before - during > 20 * MiB, `a model took ${before - during} bytes`)
    must(before - after < 64 * MiB, `${before - after} bytes stayed`)
    return `free before ${gib(before)}, with the model ${gib(during)}, after ${gib(after)}`
  },

  async 'loading that is aborted leaves nothing'() {
    const before = await free()
    const controller = new AbortController()
    const progress = (done) => done === 12 && controller.abort()
    const text = await refused(() => load({ signal: controller.signal, progress }))
    mustMatch(text, /abort/i)
    const after = await free()
    must(before - after < 64 * MiB, `${before - after} bytes stayed`)
    return text
  },

  async 'an interrupt ends training at a step and dispose gives the memory back'() {
    const before = await free()
    const trainer = new SFTTrainer({
      model: await load(),
      args: new SFTConfig({
        ...{ output_dir: join(folder, 'results'), max_steps: 100_000, per_device_train_batch_size: 2 },
        ...{ logging_steps: 1000, save_strategy: 'no', max_length: 64, report_to: 'none' },
      }),
      train_dataset: Dataset.from_list(
        Array.from({ length: 16 }, (_, i) => ({ text: `hello world ${i} `.repeat(3) })),
      ),
      processing_class: await AutoTokenizer.from_pretrained(folder),
      peft_config: new LoraConfig({ r: 4, target_modules: ['q_proj', 'v_proj'] }),
      display: { start: () => {}, step: () => {}, log: () => {}, end: () => {} },
      callbacks: [
        {
          on_step_end: (_, { global_step }) =>
            void (global_step === 3 && process.kill(process.pid, 'SIGINT')),
        },
      ],
    })
    const { stopped, global_step } = await trainer.train()
    must(stopped === true && global_step < 1000, `stopped ${stopped} at step ${global_step}`)
    const kept = trainer.model.parameters()[0].data
    must((await kept.data()).every(Number.isFinite), 'the adapter is there after the interrupt')
    trainer.dispose()
    const after = await free()
    must(before - after < 64 * MiB, `${before - after} bytes stayed`)
    return `stopped at step ${global_step}`
  },
}

const gpuChecks = {
  async 'a tensor that does not fit'() {
    const text = await refused(async () => {
      const tensor = device.empty([2 ** 38])
      fill(tensor, 0)
      tensor.dispose()
      await device.synchronize()
    })
    mustMatch(text, /\[fill\] out of memory on cuda:\d: asked for 1024\.00 GiB/, /are free/, /smaller batch/)
    await device.synchronize()
    return text
  },

  async 'a step that does not fit, then one that does'() {
    const model = adapted(await load())
    const small = await pass(model, 1, 64)
    const held = device.memoryStats().allocated
    const ballast = device.empty([Math.floor(((await free()) - 320 * MiB) / 4)])
    fill(ballast, 0)
    await device.synchronize()
    const text = await refused(() => pass(model, 8, 2048))
    mustMatch(text, /out of memory on cuda:\d: asked for/, /gradient_checkpointing/)
    const again = await pass(model, 1, 64)
    must(again === small, `the small step gave ${small} before and ${again} after`)
    ballast.dispose()
    await device.synchronize()
    must(device.memoryStats().allocated <= held, `${device.memoryStats().allocated - held} bytes stayed`)
    const large = await pass(model, 8, 2048)
    must(Number.isFinite(large), `loss ${large} when there is room`)
    model.dispose()
    return text
  },

  async 'a second process on the same GPU'() {
    const model = adapted(await load())
    const loss = await pass(model, 2, 64)
    const child = spawn(process.execPath, [import.meta.filename, '--child', 'second'], {
      env: { ...process.env, QLORA_SAFETY_FOLDER: folder },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    let said = ''
    child.stdout.setEncoding('utf8')
    const holding = new Promise((held, ended) => {
      child.stdout.on('data', (text) => (said += text).includes('holding') && held())
      child.on('close', (code) => ended(new Error(`the second process ended with ${code}: ${said}`)))
    })
    while (!said.includes('holding')) {
      await pass(model, 2, 64)
      await Promise.race([holding, new Promise((next) => setTimeout(next, 20))])
    }
    must(said.includes(`loss ${loss}`), `the second process: ${said}; here: loss ${loss}`)
    const text = await refused(() => pass(model, 16, 4096))
    mustMatch(text, /out of memory/, /in other use \(nvidia-smi shows by whom\)/)
    child.removeAllListeners('close')
    const closed = new Promise((end) => child.on('close', end))
    child.stdin.end('end\n')
    await closed
    must((await pass(model, 2, 64)) === loss, 'the same step gives the same loss afterwards')
    model.dispose()
    return text
  },

  async 'a fault in a kernel of another process of ours'() {
    const nvcc = ['nvcc', '/usr/local/cuda/bin/nvcc'].find(
      (file) => spawnSync(file, ['--version']).status === 0,
    )
    if (nvcc === undefined && process.env['QLORA_FAULT_LIBRARY'] === undefined)
      return 'SKIPPED: no nvcc to compile fault.cu with'
    const built = process.env['QLORA_FAULT_LIBRARY'] ?? join(folder, 'fault.so')
    if (!process.env['QLORA_FAULT_LIBRARY'])
      execFileSync(nvcc, [
        ...['-shared', '-Xcompiler', '-fPIC', '-arch=native', '-o', built],
        join(import.meta.dirname, 'fault.cu'),
      ])
    const model = adapted(await load())
    const loss = await pass(model, 2, 64)
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [import.meta.filename, '--child', 'fault'],
      {
        env: { ...process.env, QLORA_SAFETY_FOLDER: folder, QLORA_FAULT_LIBRARY: built },
        encoding: 'utf8',
      },
    )
    must(status === 0, `it ended with ${status}: ${stdout}${stderr}`)
    must(
      readFileSync(join(folder, 'adapter/adapter_model.safetensors')).length > 1000,
      'its adapter was saved',
    )
    must((await pass(model, 2, 64)) === loss, 'this process was not touched by it')
    model.dispose()
    return stdout.trim()
  },
}

const gib = (bytes) => `${(bytes / 2 ** 30).toFixed(2)} GiB`

const child = process.argv.indexOf('--child')
if (child > 0) {
  await children[process.argv[child + 1]]()
  process.exit(0)
}
let failures = 0
try {
  await writeCheckpoint(folder, dist, { layers: 4, hidden: 1024, inner: 2816, vocab: 4096 })
  for (const [what, check] of Object.entries(onGpu ? { ...checks, ...gpuChecks } : checks)) {
    try {
      const text = await check()
      console.log(`ok   ${what}\n     ${text}`)
    } catch (error) {
      failures++
      console.log(`FAIL ${what}\n     ${error.stack}`)
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
console.log(failures ? `${failures} FAILURES` : `${name} is safe to work on`)
process.exit(failures ? 1 : 0)
