// attention of every size, and errors that only the device sees on 'cpu' and on a GPU with the same inputs, at odd sizes, into poisoned outputs, compared by the Frobenius
// ratio. Exit code 1 when one is out of tolerance.
// usage: node FILE     QLORA_ADDON: the addon, QLORA_TEST_DEVICE: default cuda:0
import { floats, int32, openDevices, output, random, tensor } from './support.mjs'

const { devices, runOn, compare, expectError, fail, finish } = openDevices()

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
    for (const [keys, window, softcap = 0] of [
      [1, 0],
      [255, 0],
      [700, 50],
      [5003, 0],
      [5003, 3000],
      [5003, 3000, 2],
    ]) {
      const out = output([1, heads * head_dim], dtype)
      const lse = output([heads, 1], 'float32')
      const q = random([1, heads * head_dim], dtype)
      const [k, v] = [random([keys, kv_heads * head_dim], dtype), random([keys, kv_heads * head_dim], dtype)]
      await compare(
        'attention_forward',
        `one query ${dtype} ${heads}/${kv_heads}x${head_dim} ${keys} w${window} cap ${softcap}`,
        [
          q,
          k,
          v,
          int32([0, 1]),
          int32([0, keys]),
          out,
          lse,
          heads,
          kv_heads,
          head_dim ** -0.5,
          window,
          softcap,
          1,
        ],
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
    for (const [lengths, window, softcap = 0] of [
      [[1], 0],
      [[63], 0],
      [[65, 0, 1, 130], 0],
      [[200, 77], 50],
      [[200, 77], 50, 3],
    ]) {
      const label = `${dtype} ${heads}/${kv_heads}x${head_dim} ${lengths} w${window} cap ${softcap}`
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
        [q, k, v, cu, cu, out, lse, heads, kv_heads, scale, window, softcap, 0],
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
        softcap,
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
          softcap,
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
          softcap,
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
  'add_rows',
  [x, int32([0, 4, -1, 2]), output([4, 8], 'float32')],
  '[add_rows] index[1] is 4; out has 4 rows',
)
await expectError(
  'cross_entropy',
  [
    x,
    int32([0, 1, 8, 2]),
    undefined,
    output([4], 'float32'),
    undefined,
    undefined,
    undefined,
    1,
    0,
    false,
    0,
  ],
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
  const args = [dout, q, k, v, q, lse, cu, ...gradients, 2, 2, 0.1, 0, 0, 0, true]
  const [first, second] = [
    await runOn(devices[1], 'attention_backward', args),
    await runOn(devices[1], 'attention_backward', args),
  ]
  for (const d of gradients)
    if (Buffer.compare(Buffer.from(first.get(d)), Buffer.from(second.get(d))) !== 0)
      fail('attention_backward: two runs differ')
}

finish('attention of every size, and errors that only the device sees')
