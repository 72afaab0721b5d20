// Norm, clipping and every optimizer's update on 'cpu' and on a GPU, as the other checks here: many tensors in one call, odd sizes,
// unaligned views, state in pinned memory, gradients that are not finite. Exit code 1 when one is out of tolerance.
// usage: node optimizers.mjs     QLORA_ADDON: the addon, QLORA_TEST_DEVICE: default cuda:0
import { floats, openDevices, output, random, smooth, tensor, uniform } from './support.mjs'

const { compare, finish } = openDevices()

/** A code that is one off in a few thousand. */
const fewCodes = 5e-4
const oddSizes = [1, 63, 65, 255, 257, 4097, 100003]
/** More than one launch takes. */
const many = Array.from({ length: 130 }, (_, i) => 7 * i + 1)

const numbers = (n, dtype, next) => tensor(Float64Array.from({ length: n }, next), [n], dtype)
const positive = (n, dtype) => numbers(n, dtype, () => uniform() * 0.01)
const codes = (n) => numbers(n, 'uint8', () => Math.floor(uniform() * 256))
const maxima = (n) => numbers(Math.ceil(n / 256), 'float32', uniform)
// Of the maps the kernels need no more than their order, and the place of 0.
const signedMap = numbers(256, 'float32', (_, i) => ((i - 127) / 128) ** 3)
const unsignedMap = numbers(256, 'float32', (_, i) => (i / 255) ** 3)
const norm = tensor([2], [1], 'float32')

/** The kinds of lists: sizes, and what is done to each tensor of a role. */
const kinds = [
  { name: 'odd sizes', sizes: oddSizes },
  { name: 'many', sizes: many },
  { name: 'unaligned', sizes: [65, 4097], change: () => ({ odd: true }) },
  { name: 'pinned state', sizes: [63, 4096, 100003], change: (role) => ({ pinned: role === 'state' }) },
]
const listsOf =
  ({ sizes, change = () => ({}) }) =>
  (role, make) =>
    sizes.map((n) => Object.assign(make(n), change(role)))
/** [tensor, tolerance] of each tensor. */
const within = (list, tolerance) => list.map((t) => [t, tolerance])

for (const dtype of floats) {
  const list = [1, 63, 65, 4097, 100003].map((n) => random([n], dtype))
  await compare('global_norm', dtype, [list, output([1], 'float32')], 2e-6)
  await compare('global_norm', 'many', [many.map((n) => random([n], dtype)), output([1], 'float32')], 2e-6)
  for (const maxNorm of [0.3, 3])
    await compare('clip_by_norm', `${dtype} ${maxNorm}`, [list, norm, maxNorm], smooth[dtype])

  for (const kind of kinds) {
    const lists = listsOf(kind)
    const params = () => lists('param', (n) => random([n], dtype))
    const grads = () => lists('grad', (n) => random([n], 'float32', 0.1))
    const label = `${dtype}, ${kind.name}`
    const tolerance = Math.max(smooth[dtype], 2e-6)
    for (const [clip, maxNorm] of [
      [undefined, 0],
      [norm, 0.3],
    ]) {
      for (const moments of dtype === 'bfloat16' ? ['float32', 'bfloat16'] : ['float32']) {
        const state = [
          lists('state', (n) => random([n], moments, 0.1)),
          lists('state', (n) => positive(n, moments)),
        ]
        const scalars = [clip, maxNorm, 1e-3, 0.9, 0.999, 1e-8, 0.01, 3]
        await compare('adamw', `${label}, ${moments}`, [params(), grads(), ...state, ...scalars], tolerance)
      }
      {
        const [c1, c2] = [lists('state', codes), lists('state', codes)]
        const [a1, a2] = [lists('state', maxima), lists('state', maxima)]
        const p = params()
        const args = [p, grads(), c1, a1, c2, a2, signedMap, unsignedMap]
        await compare(
          'adamw_8bit',
          label,
          [...args, clip, maxNorm, 1e-3, 0.9, 0.999, 1e-8, 0.01, 3],
          [...within([...c1, ...c2], fewCodes), ...within([...a1, ...a2], 1e-6), ...within(p, tolerance)],
        )
      }
      {
        const m = lists('state', (n) => random([n], 'float32', 0.1))
        await compare('lion', label, [params(), grads(), m, clip, maxNorm, 1e-3, 0.9, 0.99, 0.01], tolerance)
      }
      {
        const [p, c, a] = [params(), lists('state', codes), lists('state', maxima)]
        const args = [p, grads(), c, a, signedMap, clip, maxNorm, 1e-3, 0.9, 0.99, 0.01]
        await compare('lion_8bit', label, args, [
          ...within(c, fewCodes),
          ...within(a, 1e-6),
          ...within(p, tolerance),
        ])
      }
      for (const [momentum, dampening, nesterov, first] of [
        [0, 0, false, true],
        [0.9, 0.1, false, false],
        [0.9, 0.1, false, true],
        [0.9, 0, true, false],
      ]) {
        const buffers = momentum > 0 ? lists('state', (n) => random([n], 'float32', 0.1)) : []
        const scalars = [clip, maxNorm, 1e-2, momentum, dampening, nesterov, 0.01, first]
        await compare('sgd', `${label}, ${scalars}`, [params(), grads(), buffers, ...scalars], tolerance)
      }
    }
  }
}

// -- what is not finite ----------------------------------------------------------------------------
{
  const n = 600
  const grad = random([n], 'float32')
  const values = new Float32Array(grad.bytes.buffer)
  values[3] = NaN
  values[299] = Infinity
  const state = () => [[codes(n)], [maxima(n)], [codes(n)], [maxima(n)]]
  for (const [label, clip] of [
    ['gradients', undefined],
    ['a norm of infinity', tensor([Infinity], [1], 'float32')],
    ['a norm of NaN', tensor([NaN], [1], 'float32')],
  ]) {
    const scalars = [clip, clip ? 1 : 0, 1e-3, 0.9, 0.999, 1e-8, 0.01, 3]
    const args = [[random([n], 'float32')], [grad]]
    await compare('adamw_8bit', label, [...args, ...state(), signedMap, unsignedMap, ...scalars], fewCodes)
    const moments = [[random([n], 'float32')], [positive(n, 'float32')]]
    await compare('adamw', label, [...args, ...moments, ...scalars], 2e-6)
  }
}

finish('norm, clipping and optimizers')
