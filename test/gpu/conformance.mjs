// Every operation on 'cpu' and on a GPU with the same inputs, at odd sizes, into poisoned outputs, compared by the
// Frobenius ratio. One line an operation; exit code 1 when one is out of tolerance.
// usage: node conformance.mjs path/to/qlora.node [device]
import { createRequire } from 'node:module'

const [addonPath, gpuName = 'cuda:0'] = process.argv.slice(2)
const addon = createRequire(import.meta.url)(addonPath)
const devices = [addon.open_device('cpu'), addon.open_device(gpuName)]
console.log(addon.device_info(devices[1]))

// -- numbers ---------------------------------------------------------------------------------------
let state = 1
const uniform = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return state / 2 ** 32
}
const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform())
const count = (shape) => shape.reduce((a, b) => a * b, 1)
const word = new Float32Array(1)
const bits = new Uint32Array(word.buffer)

function toBf16(x) {
  word[0] = x
  return ((bits[0] + 0x7fff + ((bits[0] >>> 16) & 1)) >>> 16) & 0xffff
}
function fromBf16(h) {
  bits[0] = h << 16
  return word[0]
}
function fromF16(h) {
  const sign = h & 0x8000 ? -1 : 1
  const exponent = (h >> 10) & 31
  const rest = h & 1023
  if (exponent === 31) return rest ? NaN : sign * Infinity
  return exponent ? sign * 2 ** (exponent - 15) * (1 + rest / 1024) : sign * 2 ** -24 * rest
}
function toF16(x) {
  if (x === 0) return 0
  const a = Math.abs(x)
  const exponent = Math.max(-14, Math.floor(Math.log2(a)))
  let n = Math.round((a / 2 ** exponent) * 1024)
  let e = exponent
  if (n >= 2048) {
    n /= 2
    e++
  }
  const sign = x < 0 ? 0x8000 : 0
  return n < 1024 ? sign | n : sign | ((e + 15) << 10) | (n - 1024)
}
const arrays = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array }
const sizes = { float32: 4, bfloat16: 2, float16: 2, int32: 4, uint8: 1 }

function encode(values, dtype) {
  if (dtype === 'bfloat16') return Uint16Array.from(values, toBf16)
  if (dtype === 'float16') return Uint16Array.from(values, toF16)
  return arrays[dtype].from(values)
}
function decode(buffer, dtype) {
  if (dtype === 'bfloat16') return Float64Array.from(new Uint16Array(buffer), fromBf16)
  if (dtype === 'float16') return Float64Array.from(new Uint16Array(buffer), fromF16)
  return Float64Array.from(new arrays[dtype](buffer))
}

// -- arguments: a tensor is { shape, dtype, bytes }, an output has every byte 0xff -------------------
const tensor = (values, shape, dtype) => ({
  shape,
  dtype,
  bytes: new Uint8Array(encode(values, dtype).buffer),
})
const random = (shape, dtype, scale = 1) =>
  tensor(
    Float64Array.from({ length: count(shape) }, () => normal() * scale),
    shape,
    dtype,
  )
const output = (shape, dtype) => ({
  shape,
  dtype,
  out: true,
  bytes: new Uint8Array(count(shape) * sizes[dtype]).fill(255),
})
const int32 = (values) => tensor(values, [values.length], 'int32')

async function runOn(device, op, args) {
  const handles = new Map()
  const convert = (arg) => {
    if (Array.isArray(arg)) return arg.map(convert)
    if (!arg?.bytes) return arg
    if (!handles.has(arg)) {
      const handle = addon.tensor_empty(device, arg.dtype, arg.shape)
      addon.tensor_write(handle, arg.bytes)
      handles.set(arg, handle)
    }
    return handles.get(arg)
  }
  addon[op](...args.map(convert))
  const results = new Map()
  for (const [arg, handle] of handles) results.set(arg, await addon.tensor_read(handle))
  for (const handle of handles.values()) addon.tensor_release(handle)
  return results
}

/** ||a - b|| / ||b||, where NaN and infinity must be in the same places. `floor`: for results that are 0 but for rounding. */
function distance(a, b, floor) {
  let difference = 0
  let norm = floor * a.length
  for (let i = 0; i < a.length; i++) {
    if (Object.is(a[i], b[i]) || a[i] === b[i]) {
      if (Number.isFinite(b[i])) norm += b[i] * b[i]
      continue
    }
    difference += (a[i] - b[i]) ** 2
    norm += b[i] * b[i]
  }
  if (difference === 0) return 0
  return Math.sqrt(difference / norm)
}

const worst = new Map()
let failures = 0
/** tolerance: a number for all tensors, or [tensor, number] pairs; a tensor without one must be equal. */
async function compare(op, label, args, tolerance, floor = 0) {
  let expected, got
  try {
    expected = await runOn(devices[0], op, args)
    got = await runOn(devices[1], op, args)
  } catch (error) {
    failures++
    console.log(`FAIL ${op} ${label}: ${error.message}`)
    return
  }
  for (const [arg, buffer] of expected) {
    const limit = typeof tolerance === 'number' ? tolerance : (new Map(tolerance).get(arg) ?? 0)
    const d = distance(decode(got.get(arg), arg.dtype), decode(buffer, arg.dtype), floor)
    const key = `${op} ${arg.dtype}`
    if (!(d <= (worst.get(key) ?? 0))) worst.set(key, d)
    if (!(d <= limit)) {
      failures++
      console.log(`FAIL ${op} ${label} ${arg.dtype} ${JSON.stringify(arg.shape)}: ${d} > ${limit}`)
    }
  }
}
async function expectError(op, args, text) {
  try {
    await runOn(devices[1], op, args)
  } catch (error) {
    if (error.message.includes(text)) return
    failures++
    console.log(`FAIL ${op}: expected an error with '${text}', got '${error.message}'`)
    return
  }
  failures++
  console.log(`FAIL ${op}: expected an error with '${text}', got none`)
}

const floats = ['float32', 'bfloat16', 'float16']
const smooth = { float32: 2e-6, bfloat16: 2.5e-3, float16: 4e-4 }
const product = { float32: 2e-6, bfloat16: 2.2e-3, float16: 4e-4 }
// Adding to a 16-bit output, the GPU rounds the product and the sum, the CPU the sum only: 2.9e-3 apart for normal numbers.
const sum = { float32: 2e-6, bfloat16: 3.5e-3, float16: 5e-4 }
const rowsList = [1, 63, 65, 4097]

// -- elementwise, rows -----------------------------------------------------------------------------
for (const dtype of floats) {
  for (const rows of rowsList) {
    const shape = [rows, rows > 1000 ? 24 : 67]
    const label = `${dtype} ${rows}`
    const x = random(shape, dtype)
    const y = random(shape, 'float32')
    const column = random([shape[1]], 'float32')
    const tolerance = smooth[dtype]
    await compare('fill', label, [output(shape, dtype), 1.375], 0)
    await compare('fill', label, [output(shape, 'int32'), -7], 0)
    for (const to of floats) await compare('copy', label, [x, output(shape, to)], 0)
    await compare('add', label, [x, y, output(shape, dtype), -0.3], tolerance)
    await compare('add', `${label} in place`, [x, y, x, 0.7], tolerance)
    await compare('add_bias', label, [x, column, output(shape, dtype)], tolerance)
    await compare('sum_rows', label, [x, random([shape[1]], 'float32'), 1], 2e-5)
    await compare('sum_rows', label, [x, output([shape[1]], dtype), 0], Math.max(tolerance, 2e-5))
    await compare('scale_rows', label, [x, random([rows], 'float32'), output(shape, dtype), false], tolerance)
    await compare('scale_rows', label, [x, column, output(shape, dtype), true], tolerance)
    await compare('row_norm', label, [x, output([rows], 'float32'), false], 2e-6)
    await compare('row_norm', label, [x, output([rows], 'float32'), true], 2e-6)
    await compare('dot_columns', label, [x, y, random([shape[1]], 'float32'), 0.5], 2e-5)
    const index = int32(Array.from({ length: rows }, (_, i) => (i * 7919) % rows))
    await compare('gather_rows', label, [x, index, output(shape, dtype)], 0)
    await compare('scatter_rows', label, [x, index, output(shape, dtype)], 0)
    await compare('random_uniform', label, [output(shape, dtype), -0.5, 2, 123456789012, 7], 0)
    await compare('random_normal', label, [output(shape, dtype), 0.5, 2, 42, 3], tolerance)
    await compare('dropout', label, [x, output(shape, dtype), 0.1, 987654321987, 5, 6], 0)
    // -- layers
    const weight = random([shape[1]], 'float32')
    const rstd = tensor(
      Array.from({ length: rows }, () => 0.5 + uniform()),
      [rows],
      'float32',
    )
    await compare(
      'rms_norm_forward',
      label,
      [x, weight, output(shape, dtype), output([rows], 'float32'), 1e-5],
      tolerance,
    )
    const dweight = random([shape[1]], 'float32')
    await compare(
      'rms_norm_backward',
      label,
      [y, x, weight, rstd, undefined, output(shape, dtype), dweight],
      Math.max(tolerance, 2e-5),
    )
    await compare(
      'rms_norm_backward',
      `${label} residual`,
      [y, x, weight, rstd, random(shape, dtype), output(shape, dtype), undefined],
      tolerance,
    )
    const gate = random(shape, dtype, 3)
    await compare('swiglu_forward', label, [gate, x, output(shape, dtype)], tolerance)
    await compare(
      'swiglu_backward',
      label,
      [y, gate, x, output(shape, dtype), output(shape, dtype)],
      tolerance,
    )
    const heads = random([rows, 3 * 16], dtype)
    const positions = int32(Array.from({ length: rows }, (_, i) => (i * 31) % 131072))
    const inv_freq = tensor(
      Array.from({ length: 8 }, (_, j) => 500000 ** (-j / 8)),
      [8],
      'float32',
    )
    for (const inverse of [false, true])
      await compare(
        'rope',
        label,
        [heads, positions, inv_freq, output([rows, 48], dtype), 16, 1.2, inverse],
        tolerance * 5,
      )
  }
  for (const [rows, vocab] of [
    [1, 1],
    [5, 63],
    [65, 4097],
    [3, 128256],
  ]) {
    const logits = random([rows, vocab], dtype, 2)
    const labels = int32(
      Array.from({ length: rows }, (_, i) => (i % 3 === 2 ? -100 : Math.floor(uniform() * vocab))),
    )
    const stats = tensor([1, 2, 3, 4], [4], 'float32')
    const d = output([rows, vocab], dtype)
    const limits = [
      [stats, 1e-5],
      [d, Math.max(3e-3, 0)],
    ]
    await compare('cross_entropy', `${dtype} ${rows}x${vocab}`, [logits, labels, stats, d, 0.25], limits)
    await compare(
      'cross_entropy',
      `${dtype} in place`,
      [logits, labels, stats, logits, 0.25],
      [
        [stats, 1e-5],
        [logits, 3e-3],
      ],
    )
    await compare('cross_entropy', `${dtype} loss`, [logits, labels, stats, undefined, 1], [[stats, 1e-5]])
  }
}

// -- 4-bit -----------------------------------------------------------------------------------------
for (const quant_type of ['nf4', 'fp4']) {
  for (const dtype of floats) {
    for (const [n, blocksize] of [
      [1, 64],
      [63, 32],
      [65, 64],
      [4097, 64],
      [4097, 4096],
      [100000, 128],
    ]) {
      const label = `${quant_type} ${dtype} ${n}/${blocksize}`
      const x = random([n], dtype)
      for (let i = 0; i < 64 && n > 1000; i++) x.bytes[i] = 0 // the start of a block is zeros
      const codes = output([Math.ceil(n / 2)], 'uint8')
      const absmax = output([Math.ceil(n / blocksize)], 'float32')
      // nf4 from bf16 must be bit-exact; elsewhere the approximate reciprocal moves a code now and then.
      const exact = quant_type === 'nf4' && dtype === 'bfloat16'
      await compare(
        'quantize_4bit',
        label,
        [x, codes, absmax, quant_type, blocksize],
        [[codes, exact ? 0 : quant_type === 'nf4' ? 2e-3 : 0.3]],
      )
      const packed = tensor(
        Array.from({ length: Math.ceil(n / 2) }, () => Math.floor(uniform() * 256)),
        [Math.ceil(n / 2)],
        'uint8',
      )
      const maxima = tensor(
        Array.from({ length: Math.ceil(n / blocksize) }, () => uniform() * 3),
        [Math.ceil(n / blocksize)],
        'float32',
      )
      await compare('dequantize_4bit', label, [packed, maxima, output([n], dtype), quant_type, blocksize], 0)
    }
  }
}
const map = tensor(
  Array.from({ length: 256 }, (_, i) => (i < 255 ? ((i - 127) / 128) * Math.abs((i - 127) / 128) : 1)),
  [256],
  'float32',
)
for (const n of [1, 255, 257, 4097]) {
  const absmax = tensor(
    Array.from({ length: n }, () => uniform() * 2),
    [n],
    'float32',
  )
  const nested = Math.ceil(n / 256)
  await compare(
    'quantize_absmax',
    `${n}`,
    [absmax, map, output([n], 'uint8'), output([nested], 'float32'), output([1], 'float32'), 256],
    1e-6,
  )
  const q = tensor(
    Array.from({ length: n }, () => Math.floor(uniform() * 256)),
    [n],
    'uint8',
  )
  await compare(
    'dequantize_absmax',
    `${n}`,
    [q, map, random([nested], 'float32'), random([1], 'float32'), output([n], 'float32'), 256],
    0,
  )
}

// -- products --------------------------------------------------------------------------------------
for (const [m, k, n] of [
  [1, 64, 64],
  [63, 65, 1],
  [65, 63, 67],
  [4097, 64, 33],
  [128, 256, 512],
  [0, 4, 4],
  [3, 0, 5],
]) {
  for (const a of floats)
    for (const b of floats)
      for (const operand of floats) {
        const to = [a, 'float32', b][(m + n) % 3]
        for (const [ta, tb, beta] of [
          [false, true, 0],
          [false, false, 1],
          [true, false, 0.5],
          [true, true, 0],
        ]) {
          const label = `${m}x${k}x${n} ${a} ${b} ${operand} -> ${to} ${ta} ${tb} ${beta}`
          const left = random(ta ? [k, m] : [m, k], a)
          const right = random(tb ? [n, k] : [k, n], b)
          const out = beta ? random([m, n], to) : output([m, n], to)
          await compare(
            'matmul',
            label,
            [left, right, out, ta, tb, 0.7, beta, operand],
            [[out, (beta ? sum : product)[to]]],
          )
        }
      }
}
for (const dtype of ['bfloat16', 'float16'])
  for (const [m, k, n] of [
    [2048, 64, 1024],
    [1027, 96, 1032],
    [1100, 1032, 1024],
  ]) {
    const out = random([m, n], dtype)
    await compare(
      'matmul',
      `${m}x${k}x${n} ${dtype} accumulates`,
      [random([m, k], dtype), random([n, k], dtype), out, false, true, 1, 1, dtype],
      [[out, sum[dtype]]],
    )
  }
for (const [m, features, inputs] of [
  [1, 128, 64],
  [65, 67, 64],
  [63, 65, 63],
  [257, 96, 320],
]) {
  for (const dtype of floats)
    for (const weight of ['bfloat16', 'float16', 'float32'])
      for (const operand of floats)
        for (const transpose of [true, false]) {
          const n = features * inputs
          const packed = tensor(
            Array.from({ length: Math.ceil(n / 2) }, () => Math.floor(uniform() * 256)),
            [Math.ceil(n / 2)],
            'uint8',
          )
          const maxima = tensor(
            Array.from({ length: Math.ceil(n / 64) }, () => uniform()),
            [Math.ceil(n / 64)],
            'float32',
          )
          const x = random([m, transpose ? inputs : features], dtype)
          const out = random([m, transpose ? features : inputs], dtype)
          await compare(
            'matmul_4bit',
            `${m} ${features}x${inputs} ${dtype} ${weight} ${operand} ${transpose}`,
            [
              x,
              packed,
              maxima,
              out,
              features,
              inputs,
              'nf4',
              64,
              transpose,
              1.5,
              transpose ? 0 : 1,
              weight,
              operand,
            ],
            [[out, (transpose ? product : sum)[dtype]]],
          )
        }
}

// -- attention -------------------------------------------------------------------------------------
const forwardLimit = { float32: 1e-5, bfloat16: 4e-3, float16: 5e-4 }
const gradientLimit = { float32: 2e-5, bfloat16: 8e-3, float16: 1.5e-3 }
const cumulative = (lengths) => int32(lengths.reduce((ends, n) => [...ends, ends.at(-1) + n], [0]))
for (const dtype of floats) {
  for (const [heads, kv_heads, head_dim] of [
    [2, 2, 16],
    [4, 2, 64],
    [6, 2, 128],
    [3, 1, 80],
    [2, 1, 256],
  ]) {
    for (const [lengths, window] of [
      [[1], 0],
      [[63], 0],
      [[65, 0, 1, 130], 0],
      [[200, 77], 50],
    ]) {
      const label = `${dtype} ${heads}/${kv_heads}x${head_dim} ${lengths} w${window}`
      const tokens = lengths.reduce((a, b) => a + b, 0)
      const shape = [tokens, heads * head_dim]
      const kvShape = [tokens, kv_heads * head_dim]
      const [q, k, v] = [random(shape, dtype), random(kvShape, dtype), random(kvShape, dtype)]
      const cu = cumulative(lengths)
      const out = output(shape, dtype)
      const lse = output([heads, tokens], 'float32')
      const scale = head_dim ** -0.5
      await compare(
        'attention_forward',
        label,
        [q, k, v, cu, cu, out, lse, heads, kv_heads, scale, window],
        [
          [out, forwardLimit[dtype]],
          [lse, 1e-4],
        ],
      )
      const reference = await runOn(devices[0], 'attention_forward', [
        q,
        k,
        v,
        cu,
        cu,
        out,
        lse,
        heads,
        kv_heads,
        scale,
        window,
      ])
      const made = (arg) => ({
        shape: arg.shape,
        dtype: arg.dtype,
        bytes: new Uint8Array(reference.get(arg)),
      })
      const [dq, dk, dv] = [output(shape, dtype), output(kvShape, dtype), output(kvShape, dtype)]
      const g = gradientLimit[dtype]
      await compare(
        'attention_backward',
        label,
        [random(shape, dtype), q, k, v, made(out), made(lse), cu, dq, dk, dv, heads, kv_heads, scale, window],
        [
          [dq, g],
          [dk, g],
          [dv, g],
        ],
        tokens === 1 ? 1 : 0,
      )
      const longer = lengths.map((n) => (n > 1 ? n - 1 : n)) // fewer queries than keys: decoding after a prefix
      const few = longer.reduce((a, b) => a + b, 0)
      const out2 = output([few, shape[1]], dtype)
      const lse2 = output([heads, few], 'float32')
      await compare(
        'attention_forward',
        `${label} prefix`,
        [
          random([few, shape[1]], dtype),
          k,
          v,
          cumulative(longer),
          cu,
          out2,
          lse2,
          heads,
          kv_heads,
          scale,
          window,
        ],
        [
          [out2, forwardLimit[dtype]],
          [lse2, 1e-4],
        ],
      )
    }
  }
}

// -- optimizer -------------------------------------------------------------------------------------
for (const dtype of floats) {
  const list = [1, 63, 65, 4097, 100003].map((n) => random([n], dtype))
  const norm = output([1], 'float32')
  await compare('global_norm', dtype, [list, norm], 2e-6)
  await compare('global_norm', 'many', [Array.from({ length: 130 }, () => random([17], dtype)), norm], 2e-6)
  await compare('clip_by_norm', dtype, [list, tensor([2], [1], 'float32'), 0.3], smooth[dtype])
  for (const moments of dtype === 'bfloat16' ? ['float32', 'bfloat16'] : ['float32'])
    for (const n of [1, 63, 4097]) {
      const second = tensor(
        Array.from({ length: n }, () => uniform() * 0.01),
        [n],
        moments,
      )
      await compare(
        'adamw',
        `${dtype} ${moments} ${n}`,
        [
          random([n], dtype),
          random([n], 'float32', 0.1),
          random([n], moments, 0.1),
          second,
          1e-3,
          0.9,
          0.999,
          1e-8,
          0.01,
          3,
        ],
        dtype === 'float32' ? 1e-6 : smooth[dtype],
      )
    }
}

// -- errors that only the device sees; the queue works again after each -------------------------------
const x = random([4, 8], 'float32')
await expectError(
  'gather_rows',
  [x, int32([0, 4]), output([2, 8], 'float32')],
  '[gather_rows] index[1] is 4; x has 4 rows',
)
await expectError(
  'scatter_rows',
  [x, int32([0, 1, -1, 2]), output([4, 8], 'float32')],
  '[scatter_rows] index[2] is -1',
)
await expectError(
  'cross_entropy',
  [x, int32([0, 1, 8, 2]), output([4], 'float32'), undefined, 1],
  'labels[2] is 8; expected -100 or 0 to 7',
)
await expectError(
  'attention_forward',
  [x, x, x, int32([0, 3]), int32([0, 4]), output([4, 8], 'float32'), output([1, 4], 'float32'), 1, 1, 1, 0],
  'expected to end at 4 tokens, got 3',
)

// -- the same bits twice ---------------------------------------------------------------------------
{
  const [q, k, v, dout] = [0, 1, 2, 3].map(() => random([300, 256], 'bfloat16'))
  const lse = tensor(
    Array.from({ length: 600 }, () => 3),
    [2, 300],
    'float32',
  )
  const cu = cumulative([300])
  const gradients = [0, 1, 2].map(() => output([300, 256], 'bfloat16'))
  const args = [dout, q, k, v, q, lse, cu, ...gradients, 2, 2, 0.1, 0]
  const [first, second] = [
    await runOn(devices[1], 'attention_backward', args),
    await runOn(devices[1], 'attention_backward', args),
  ]
  for (const d of gradients)
    if (Buffer.compare(Buffer.from(first.get(d)), Buffer.from(second.get(d))) !== 0) {
      failures++
      console.log('FAIL attention_backward: two runs differ')
    }
}

for (const [key, d] of [...worst].sort()) if (d > 0) console.log(`worst ${key}: ${d.toExponential(2)}`)
console.log(failures ? `${failures} FAILURES` : `all operations agree on cpu and ${gpuName}`)
process.exit(failures ? 1 : 0)
