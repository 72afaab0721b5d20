// What the conformance checks share: numbers of every dtype, and one call on the CPU and on a GPU compared.
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import process from 'node:process'

let state = 1
export const uniform = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return state / 2 ** 32
}
export const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform())
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
const arrays = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array, int8: Int8Array }
const sizes = { float32: 4, bfloat16: 2, float16: 2, int32: 4, uint8: 1, int8: 1 }

function encode(values, dtype) {
  if (dtype === 'bfloat16') return Uint16Array.from(values, toBf16)
  if (dtype === 'float16') return Uint16Array.from(values, toF16)
  return arrays[dtype].from(values)
}
export function decode(buffer, dtype) {
  const half = dtype === 'bfloat16' ? fromBf16 : dtype === 'float16' ? fromF16 : undefined
  if (!half) return Float64Array.from(new arrays[dtype](buffer))
  const from = new Uint16Array(buffer)
  const to = new Float64Array(from.length)
  for (let i = 0; i < from.length; i++) to[i] = half(from[i]) // Float64Array.from(.., f) takes thirty times as long
  return to
}

// -- arguments: a tensor is { shape, dtype, bytes }, an output has every byte 0xff -------------------
export const tensor = (values, shape, dtype) => ({
  shape,
  dtype,
  bytes: new Uint8Array(encode(values, dtype).buffer),
})
export const random = (shape, dtype, scale = 1) =>
  tensor(
    Float64Array.from({ length: count(shape) }, () => normal() * scale),
    shape,
    dtype,
  )
export const output = (shape, dtype) => ({
  shape,
  dtype,
  out: true,
  bytes: new Uint8Array(count(shape) * sizes[dtype]).fill(255),
})
const bytes = (n) =>
  tensor(
    Array.from({ length: n }, () => Math.floor(uniform() * 256)),
    [n],
    'uint8',
  )
/** Any codes for n 4-bit values. */
export const packedCodes = (n) => bytes(Math.ceil(n / 2))
/** Block maxima as the 4-bit operations take them: float32, or with a block size of their own double-quantized. */
export function blockMaxima(blocks, nested = 0) {
  const floats = (n, low = 0) =>
    tensor(
      Array.from({ length: n }, () => low + uniform()),
      [n],
      'float32',
    )
  if (!nested) return [floats(blocks)]
  return [bytes(blocks), floats(256, -0.5), floats(Math.ceil(blocks / nested)), floats(1), nested]
}
export const int32 = (values) => tensor(values, [values.length], 'int32')

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

export const floats = ['float32', 'bfloat16', 'float16']
/** What rounding once to the dtype may cost. */
export const smooth = { float32: 2e-6, bfloat16: 2.5e-3, float16: 4e-4 }

/** The addon of QLORA_ADDON with its CPU and the GPU of QLORA_TEST_DEVICE, and the comparisons on them. */
export function openDevices() {
  const addonPath = process.env['QLORA_ADDON'] ?? resolve('build/Release/qlora.node')
  const gpuName = process.env['QLORA_TEST_DEVICE'] ?? 'cuda:0'
  const addon = createRequire(import.meta.url)(addonPath)
  const devices = [addon.open_device('cpu'), addon.open_device(gpuName)]
  const info = addon.device_info(devices[1])
  console.log(info)
  const capability = Number(/capability=([\d.]+)/.exec(info)?.[1] ?? Infinity)
  const worst = new Map()
  let failures = 0
  let refused = 0

  function fail(text) {
    failures++
    console.log(`FAIL ${text}`)
  }
  /** With `pinned` in the host's page-locked memory, with `odd` where no wide load may begin. */
  function make(device, arg) {
    const empty = arg.pinned ? addon.tensor_empty_pinned : addon.tensor_empty
    if (!arg.odd) return empty(device, arg.dtype, arg.shape)
    const size = sizes[arg.dtype]
    const whole = empty(device, 'uint8', [arg.bytes.length + size])
    const view = addon.tensor_view(whole, arg.dtype, arg.shape, size)
    addon.tensor_release(whole)
    return view
  }
  async function runOn(device, op, args) {
    const handles = new Map()
    const convert = (arg) => {
      if (Array.isArray(arg)) return arg.map(convert)
      if (typeof arg !== 'object' || arg === null) return arg
      if (!arg.bytes)
        return Object.fromEntries(Object.entries(arg).map(([name, part]) => [name, convert(part)]))
      if (!handles.has(arg)) {
        const handle = make(device, arg)
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
  /** Results of runOn on both. tolerance: a number for all tensors, or [tensor, number] pairs; a tensor without one must be equal. */
  function match(op, label, expected, got, tolerance, floor = 0) {
    for (const [arg, buffer] of expected) {
      const limit = typeof tolerance === 'number' ? tolerance : (new Map(tolerance).get(arg) ?? 0)
      const d = distance(decode(got.get(arg), arg.dtype), decode(buffer, arg.dtype), floor)
      const key = `${op} ${arg.dtype}`
      if (!(d <= (worst.get(key) ?? 0))) worst.set(key, d)
      if (!(d <= limit)) fail(`${op} ${label} ${arg.dtype} ${JSON.stringify(arg.shape)}: ${d} > ${limit}`)
    }
  }
  async function compare(op, label, args, tolerance, floor) {
    try {
      match(op, label, await runOn(devices[0], op, args), await runOn(devices[1], op, args), tolerance, floor)
    } catch (error) {
      if (capability < 8 && error.message.includes('no bfloat16 products')) refused++
      else fail(`${op} ${label}: ${error.message}`)
    }
  }
  async function expectError(op, args, text) {
    try {
      await runOn(devices[1], op, args)
    } catch (error) {
      if (error.message.includes(text)) return
      fail(`${op}: expected an error with '${text}', got '${error.message}'`)
      return
    }
    fail(`${op}: expected an error with '${text}', got none`)
  }
  /** Prints the largest differences and ends the process. */
  function finish(what) {
    for (const [key, d] of [...worst].sort()) if (d > 0) console.log(`worst ${key}: ${d.toExponential(2)}`)
    if (refused > 0) console.log(`${refused} bfloat16 products refused by compute capability ${capability}`)
    console.log(failures ? `${failures} FAILURES` : `${what} agree on cpu and ${gpuName}`)
    process.exit(failures ? 1 : 0)
  }
  return { addon, devices, runOn, match, compare, expectError, fail, finish }
}
