import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { Checkout, root } from './checkout'

let checkout: Checkout
afterEach(() => checkout.remove())

describe('the tools a machine must bring', () => {
  it('are all named at once, one sentence each, with how to get them', () => {
    checkout = new Checkout()
    const { status, stderr } = checkout.run('setup.mjs', ['check'], { PATH: '/nowhere' })
    const lines = stderr.trim().split('\n')
    expect(status).toBe(1)
    expect(lines).toHaveLength(5)
    for (const tool of ['Python 3.10', 'C++17 compiler', 'git was', 'CMake was', 'ninja was'])
      expect(lines.filter((line) => line.includes(tool) && /`.* install .*`.*\.$/.test(line))).toHaveLength(1)
  })
})

describe('Node packages', () => {
  const lock = (version: string, more: object = {}): object => ({
    packages: { '': {}, 'node_modules/a': { version }, ...more },
  })
  const isCurrent = (): unknown => checkout.evaluate('setup/node-modules.mjs', 'm.nodeModules.isCurrent()')

  it('are installed when absent or at another version than the lock file, else left alone', () => {
    checkout = new Checkout({ 'package-lock.json': lock('1.0.0') })
    expect(isCurrent()).toBe(false)
    checkout.write('node_modules/a/package.json', {})
    checkout.write('node_modules/.package-lock.json', lock('1.0.0'))
    expect(isCurrent()).toBe(true)
    checkout.write('package-lock.json', lock('1.0.1'))
    expect(isCurrent()).toBe(false)
  })

  it('may lack optional ones, which are for other platforms, but not a folder that was deleted', () => {
    checkout = new Checkout({
      'package-lock.json': lock('1.0.0', { 'node_modules/b': { version: '2.0.0', optional: true } }),
      'node_modules/.package-lock.json': lock('1.0.0'),
      'node_modules/a/package.json': {},
    })
    expect(isCurrent()).toBe(true)
    rmSync(join(checkout.root, 'node_modules/a'), { recursive: true })
    expect(isCurrent()).toBe(false)
  })

  it('have no registry host in the lock file', () => {
    checkout = new Checkout()
    const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { resolved?: string }>
    }
    expect(Object.values(packages).filter(({ resolved }) => resolved?.startsWith('http'))).toEqual([])
  })
})

describe('a stamp', () => {
  const current = (): unknown =>
    checkout.evaluate('setup/step.mjs', `m.isStamped('product', m.fingerprint(['native', 'CMakeLists.txt']))`)

  it('is outdated by a changed, a new, and a renamed source, and by a deleted product', () => {
    checkout = new Checkout({ 'native/a.cpp': 'int a;', 'product/x': '' })
    const stamp = (): unknown =>
      checkout.evaluate(
        'setup/step.mjs',
        `m.stamp('product', m.fingerprint(['native', 'CMakeLists.txt'])) ?? true`,
      )
    expect(current()).toBe(false)
    stamp()
    expect(current()).toBe(true)
    checkout.write('native/a.cpp', 'int b;')
    expect(current()).toBe(false)
    stamp()
    checkout.write('native/cpu/b.cpp', '')
    expect(current()).toBe(false)
    stamp()
    checkout.write('CMakeLists.txt', '')
    expect(current()).toBe(false)
    stamp()
    rmSync(join(checkout.root, 'product'), { recursive: true })
    expect(current()).toBe(false)
  })
})

describe('the CUDA library', () => {
  const nvcc = { file: '/cuda/bin/nvcc', searched: 'PATH' }
  const plan = (env: object, capabilities: number[], found: object = nvcc): unknown => {
    checkout = new Checkout()
    return checkout.evaluate(
      'setup/cuda.mjs',
      `m.cudaPlan(${[env, capabilities, found].map((value) => JSON.stringify(value)).join()})`,
    )
  }

  it('is built for the GPUs of the machine', () => {
    const built = { build: true, architectures: '86;90', nvcc: '/cuda/bin/nvcc' }
    expect(plan({}, [8.6, 9])).toEqual({
      ...built,
      note: 'with the CUDA library for compute capability 8.6, 9.0',
    })
  })

  it('is built for every generation where there is no GPU and QLORA_CUDA asks for it, or for what CUDAARCHS says', () => {
    const every = '75-real;80-real;86-real;89-real;90-real;100-real;120'
    expect(plan({ QLORA_CUDA: '1' }, [])).toMatchObject({
      ...{ build: true, architectures: every },
      note: 'with the CUDA library for all GPUs from 7.5',
    })
    checkout.remove()
    expect(plan({ CUDAARCHS: '89' }, [9])).toMatchObject({ build: true, architectures: '89' })
  })

  it.each([
    [{}, [], nvcc, 'no CUDA library: no GPU in this machine; QLORA_CUDA=1 builds it all the same'],
    [{}, [7], nvcc, 'no CUDA library: the GPU is of compute capability 7.0, 7.5 is the least'],
    [{}, [9], { searched: 'PATH' }, 'no CUDA library: no nvcc on this machine'],
    [{ QLORA_CUDA: '0' }, [9], nvcc, 'no CUDA library: QLORA_CUDA=0'],
  ])('is left out with a reason: %j %j', (env, capabilities, found, note) => {
    expect(plan(env, capabilities, found)).toEqual({ build: false, note })
  })
})

describe('a command of the set-up', () => {
  it('that fails shows the end of its output, its status and the log file', () => {
    checkout = new Checkout({ 'fail.cjs': `console.log('cannot find thing.h'); process.exit(7)` })
    const message = checkout.evaluate(
      'setup/step.mjs',
      `await m.run('probe', process.execPath, ['fail.cjs']).catch((e) => e.message)`,
    ) as string
    expect(message).toContain('cannot find thing.h')
    expect(message).toMatch(/ended with 7; the whole output is in .*probe\.log$/)
  })
})
