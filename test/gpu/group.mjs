// Collectives over NCCL in a world of one, against their definitions, and training through a group, against training without one, to
// the bit. Needs NCCL's library: Python's wheel nvidia-nccl-cu12 or -cu13, the system's, or QLORA_NCCL. Exit code 1 on a difference.
// With several GPUs: torchrun --no-python --nproc-per-node N node test/gpu/group.mjs   (QLORA_ADDON names the addon)
import { createRequire } from 'node:module'
import { resolve } from 'node:path'

Object.entries({ RANK: '0', WORLD_SIZE: '1', LOCAL_RANK: '0', LOCAL_WORLD_SIZE: '1' }).forEach(
  ([name, value]) => (process.env[name] ??= value),
)
const root = resolve(import.meta.dirname, '../..')
const library = createRequire(import.meta.url)(resolve(root, 'dist/index.js'))
const { AutoModelForCausalLM, Device, destroy_process_group, get_peft_model } = library
const { init_process_group, LoraConfig, AdamW, Tensor, train_step } = library
const localRank = Number(process.env.LOCAL_RANK)
const given = process.env.QLORA_TEST_DEVICE ?? 'cuda:0'
const name = given.startsWith('cuda') && localRank > 0 ? `cuda:${localRank}` : given

let failures = 0
function check(what, got, expected) {
  const same = got.length === expected.length && got.every((x, i) => x === expected[i])
  if (same) return
  failures++
  console.log(`FAIL ${what}: got ${got.slice(0, 8)}, expected ${expected.slice(0, 8)}`)
}

const device = Device.get(name)
const group = await init_process_group({ device: name, timeout: 60 })
const { rank, size } = group
console.log(`rank ${rank} of ${size} on ${name}: ${group.library}`)
const ranks = Array.from({ length: size }, (_, r) => r)
const sum = (f) => ranks.reduce((total, r) => total + f(r), 0)
const own = (values, dtype = 'float32') => Tensor.from(values, { device, dtype })
const list = async (tensor) => [...(await tensor.data())]

// Whole numbers: sums are exact in any order. Odd sizes, and one that is larger than a block.
for (const n of [1, 3, 1_000_003]) {
  const value = (r, i) => (r + 1) * ((i % 1000) - 500)
  const numbers = (f, length = n) => Float32Array.from({ length }, (_, i) => f(i))
  const x = own(numbers((i) => value(rank, i)))
  group.all_reduce(x)
  check(`all_reduce ${n}`, await list(x), [...numbers((i) => sum((r) => value(r, i)))])
  const mine = own(numbers((i) => value(rank, i)))
  const all = device.empty([size, n])
  group.all_gather(mine, all)
  const gathered = ranks.flatMap((r) => [...numbers((i) => value(r, i))])
  check(`all_gather ${n}`, await list(all), gathered)
  const inPlace = device.empty([size, n])
  const part = inPlace.slice(rank, rank + 1)
  part.write(new Uint8Array(numbers((i) => value(rank, i)).buffer))
  group.all_gather(part, inPlace)
  check(`all_gather in place ${n}`, await list(inPlace), gathered)
  const scattered = device.empty([n])
  group.reduce_scatter(own(numbers((i) => value(rank, i), n * size)), scattered)
  const expected = numbers((i) => sum((r) => value(r, rank * n + i)))
  check(`reduce_scatter ${n}`, await list(scattered), [...expected])
  const from = own(numbers((i) => value(rank, i)))
  group.broadcast(from, size - 1)
  check(`broadcast ${n}`, await list(from), [...numbers((i) => value(size - 1, i))])
}
for (const dtype of ['bfloat16', 'float16']) {
  const x = own([rank + 1, -2, 0.5], dtype)
  const all = device.empty([size, 3], dtype)
  group.all_gather(x, all)
  check(
    `all_gather ${dtype}`,
    await list(all),
    ranks.flatMap((r) => [r + 1, -2, 0.5]),
  )
}
// Beside other work: the sum is of what x held when the collective was begun.
{
  const x = own(Float32Array.from({ length: 1 << 20 }, () => rank + 1))
  const all = device.empty([size, 1 << 20])
  group.begin_all_gather(x, all)
  const other = own(Float32Array.from({ length: 1 << 20 }, () => 1))
  group.finish(all)
  check(
    'begin_all_gather',
    [...new Set(await list(all))],
    ranks.map((r) => r + 1),
  )
  check('work beside it', [...new Set(await list(other))], [1])
}
await group.barrier()

// Steps with and without the group; of one rank they are the same to the bit.
async function steps(shared) {
  const model = await AutoModelForCausalLM.from_pretrained(resolve(root, 'test/parity/golden/tiny-llama'), {
    device_map: name,
  })
  const peft = get_peft_model(
    model,
    new LoraConfig({ r: 4, lora_dropout: 0.1, target_modules: 'all-linear' }),
    { seed: 3 },
  )
  const optimizer = new AdamW(peft.parameters(), {})
  const losses = []
  for (let step = 0; step < 4; step++) {
    const ids = Array.from({ length: 4 }, (_, b) =>
      Array.from({ length: 16 }, (_, t) => (7 * t + b + step) % 250),
    )
    const window = ids.map((row) => ({ input_ids: [row], labels: [row] }))
    const dealt = shared ? window.filter((_, i) => i % size === rank) : window
    const { loss, grad_norm } = await train_step(peft, optimizer, dealt, {
      ...{ learning_rate: 1e-2, full_determinism: true, dropout: { seed: 5, microstep: 4 * step } },
      ...(shared && { group }),
    })
    losses.push(loss, grad_norm)
  }
  const weights = []
  for (const { data } of peft.parameters()) weights.push(...(await data.data()))
  optimizer.dispose()
  peft.dispose()
  return [...losses, ...weights]
}
const plain = await steps(false)
const shared = await steps(true)
if (size === 1) check('steps through the group', shared, plain)
else {
  const far = Math.max(...plain.slice(0, 8).map((x, i) => Math.abs(x - shared[i]) / Math.abs(x)))
  if (!(far < 1e-5)) {
    failures++
    console.log(`FAIL steps of ${size} ranks: losses and norms differ by ${far}`)
  }
}
console.log(failures === 0 ? 'ok' : `${failures} failed`)
if (failures === 0) destroy_process_group()
process.exit(failures === 0 ? 0 : 1)
