// Every operation on 'cpu' and on a GPU with the same inputs, at odd sizes, into poisoned outputs, compared by the
// Frobenius ratio. One line an operation; exit code 1 when one is out of tolerance.
// usage: node conformance.mjs path/to/qlora.node [device]
import { uniform, tensor, random, output, int32, openDevices } from './support.mjs'

const [addonPath, gpuName = 'cuda:0'] = process.argv.slice(2)
const { devices, runOn, compare, expectError, fail, finish } = openDevices(addonPath, gpuName)

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
      [y, gate, x, output(shape, dtype), output(shape, dtype), output(shape, dtype)],
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
// A few rows, as in generation: the fused product, its neighbours, and sizes that it leaves to the other.
for (const m of [1, 2, 3, 5, 8, 9, 16, 17])
  for (const [features, inputs, quant_type, blocksize] of [
    [64, 64, 'nf4', 64],
    [67, 4128, 'nf4', 64],
    [33, 416, 'fp4', 32],
    [130, 2048, 'nf4', 4096],
    [1, 32, 'nf4', 128],
    [65, 63, 'nf4', 64],
    [40, 1000, 'fp4', 256],
  ])
    for (const [dtype, weight, operand] of [
      ['bfloat16', 'bfloat16', 'bfloat16'],
      ['float16', 'float16', 'float16'],
      ['float32', 'bfloat16', 'float16'],
      ['bfloat16', 'float32', 'bfloat16'],
      ['float32', 'float32', 'float32'],
    ])
      for (const odd of [false, true]) {
        const n = features * inputs
        const packed = tensor(
          Array.from({ length: Math.ceil(n / 2) }, () => Math.floor(uniform() * 256)),
          [Math.ceil(n / 2)],
          'uint8',
        )
        const blocks = Math.ceil(n / blocksize)
        const maxima = tensor(
          Array.from({ length: blocks }, () => uniform()),
          [blocks],
          'float32',
        )
        const beta = m % 2
        const out = beta ? random([m, features], dtype) : output([m, features], dtype)
        const x = random([m, inputs], dtype)
        x.odd = odd
        packed.odd = odd && m > 4
        await compare(
          'matmul_4bit',
          `few ${m} ${features}x${inputs} ${quant_type}/${blocksize} ${dtype} ${weight} ${operand} ${odd}`,
          [
            x,
            packed,
            maxima,
            out,
            features,
            inputs,
            quant_type,
            blocksize,
            true,
            0.75,
            beta,
            weight,
            operand,
          ],
          [[out, Math.max(2e-5, (beta ? sum : product)[dtype])]],
        )
      }

// -- attention -------------------------------------------------------------------------------------
const forwardLimit = { float32: 1e-5, bfloat16: 4e-3, float16: 5e-4 }
const gradientLimit = { float32: 2e-5, bfloat16: 8e-3, float16: 1.5e-3 }
const cumulative = (lengths) => int32(lengths.reduce((ends, n) => [...ends, ends.at(-1) + n], [0]))
// One query against a cache, its keys in one part and in several.
for (const dtype of floats)
  for (const [heads, kv_heads, head_dim] of [
    [4, 4, 8],
    [8, 2, 64],
    [4, 1, 80],
    [4, 2, 128],
    [2, 1, 256],
  ])
    for (const [keys, window] of [
      [1, 0],
      [255, 0],
      [700, 50],
      [5003, 0],
      [5003, 3000],
    ]) {
      const out = output([1, heads * head_dim], dtype)
      const lse = output([heads, 1], 'float32')
      const q = random([1, heads * head_dim], dtype)
      const [k, v] = [random([keys, kv_heads * head_dim], dtype), random([keys, kv_heads * head_dim], dtype)]
      await compare(
        'attention_forward',
        `one query ${dtype} ${heads}/${kv_heads}x${head_dim} ${keys} w${window}`,
        [q, k, v, int32([0, 1]), int32([0, keys]), out, lse, heads, kv_heads, head_dim ** -0.5, window, 1],
        [
          [out, forwardLimit[dtype]],
          [lse, 1e-4],
        ],
      )
    }
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
        [q, k, v, cu, cu, out, lse, heads, kv_heads, scale, window, 0],
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
        0,
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
        [
          random(shape, dtype),
          q,
          k,
          v,
          made(out),
          made(lse),
          cu,
          dq,
          dk,
          dv,
          heads,
          kv_heads,
          scale,
          window,
          0,
          false,
        ],
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
          0,
        ],
        [
          [out2, forwardLimit[dtype]],
          [lse2, 1e-4],
        ],
      )
    }
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
  [
    x,
    x,
    x,
    int32([0, 3]),
    int32([0, 4]),
    output([4, 8], 'float32'),
    output([1, 4], 'float32'),
    1,
    1,
    1,
    0,
    0,
  ],
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
  const args = [dout, q, k, v, q, lse, cu, ...gradients, 2, 2, 0.1, 0, 0, true]
  const [first, second] = [
    await runOn(devices[1], 'attention_backward', args),
    await runOn(devices[1], 'attention_backward', args),
  ]
  for (const d of gradients)
    if (Buffer.compare(Buffer.from(first.get(d)), Buffer.from(second.get(d))) !== 0)
      fail('attention_backward: two runs differ')
}

finish('all operations')
