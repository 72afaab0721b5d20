// elementwise operations, layers and the loss on 'cpu' and on a GPU with the same inputs, at odd sizes, into poisoned outputs, compared by the Frobenius
// ratio. Exit code 1 when one is out of tolerance.
// usage: node FILE     QLORA_ADDON: the addon, QLORA_TEST_DEVICE: default cuda:0
import { floats, int32, openDevices, output, random, smooth, tensor, uniform } from './support.mjs'

const { compare, finish } = openDevices()

const rowsList = [1, 63, 65, 4097]
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
    for (const to of floats)
      for (const [column, cols, transpose] of [
        [0, shape[1] + 8, false],
        [8, shape[1] + 16, false],
        [3, shape[1] + 5, false],
        [0, shape[0], true],
        [8, shape[0] + 8, true],
      ]) {
        const out = random([shape[transpose ? 1 : 0], cols], to)
        await compare('copy_columns', `${label} ${column} ${transpose}`, [x, out, column, transpose, 0.25], 0)
      }
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
    const targets = int32(Array.from({ length: rows }, (_, i) => (i % 4 === 3 ? -1 : i % 3)))
    await compare('add_rows', label, [x, targets, random([3, shape[1]], 'float32')], 0)
    await compare('argmax_rows', label, [x, output([rows], 'int32')], 0)
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
    for (const [offset, roundFirst] of [
      [0, true],
      [0, false],
      [1, false],
    ])
      await compare(
        'rms_norm_forward',
        `${label} + ${offset} ${roundFirst}`,
        [x, weight, output(shape, dtype), output([rows], 'float32'), 1e-5, offset, roundFirst],
        tolerance,
      )
    const dweight = random([shape[1]], 'float32')
    await compare(
      'rms_norm_backward',
      label,
      [y, x, weight, rstd, undefined, output(shape, dtype), dweight, 0],
      Math.max(tolerance, 2e-5),
    )
    await compare(
      'rms_norm_backward',
      `${label} residual`,
      [y, x, weight, rstd, random(shape, dtype), output(shape, dtype), undefined, 1],
      tolerance,
    )
    const gate = random(shape, dtype, 3)
    for (const name of ['swiglu', 'geglu']) {
      await compare(`${name}_forward`, label, [gate, x, output(shape, dtype)], tolerance)
      const results = [output(shape, dtype), output(shape, dtype), output(shape, dtype)]
      await compare(`${name}_backward`, label, [y, gate, x, ...results], tolerance)
    }
    await compare('softcap', label, [random(shape, dtype, 20), output(shape, dtype), 30], tolerance)
    for (const [column, width] of [
      [0, shape[1]],
      [Math.floor(shape[1] / 2), Math.ceil(shape[1] / 2)],
    ])
      await compare('slice_columns', `${label} ${column}`, [x, output([rows, width], dtype), column], 0)
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
    // Fewer frequencies than pairs: the rest of a head stays.
    for (const [headDim, pairs] of [
      [24, 8],
      [16, 3],
    ])
      for (const to of [output([rows, 48], dtype), heads])
        await compare(
          'rope',
          `${label} ${pairs} of ${headDim}`,
          [
            heads,
            positions,
            { ...inv_freq, shape: [pairs], bytes: inv_freq.bytes.slice(0, 4 * pairs) },
            to,
            headDim,
            1.2,
            false,
          ],
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
    const plain = (out, scale) => [
      ...[logits, labels, undefined, stats, undefined, undefined],
      ...[out, scale, 0, false, 0],
    ]
    await compare('cross_entropy', `${dtype} ${rows}x${vocab}`, plain(d, 0.25), limits)
    for (const [what, smoothing, byProbability, softcap = 0] of [
      ['weights and outputs by row', 0, false],
      ['smoothing', 0.3, false],
      ['by probability', 0, true],
      ['capped', 0.1, false, 30],
    ]) {
      const [logps, entropies] = [output([rows], 'float32'), output([rows], 'float32')]
      const weights = random([rows], 'float32', 1)
      await compare(
        'cross_entropy',
        `${dtype} ${rows}x${vocab} ${what}`,
        [logits, labels, weights, stats, logps, entropies, d, 0.25, smoothing, byProbability, softcap],
        [...limits, [logps, 1e-5], [entropies, 1e-5]],
      )
    }
    await compare('cross_entropy', `${dtype} in place`, plain(logits, 0.25), [
      [stats, 1e-5],
      [logits, 3e-3],
    ])
    await compare('cross_entropy', `${dtype} loss`, plain(undefined, 1), [[stats, 1e-5]])
  }
}

finish('elementwise operations, layers and the loss')
