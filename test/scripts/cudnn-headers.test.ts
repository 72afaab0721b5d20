import { execFile, execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, expect, it } from 'vitest'
import { Checkout } from './checkout'

let checkout: Checkout
let server: Server | undefined
afterEach(() => {
  checkout.remove()
  server?.close()
})

const make = `import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as z:
    z.writestr('lib/large.so', bytes(6_000_000))
    z.writestr('include/a.h', 'a')
    z.writestr('include/deep/b.h', 'b')
    z.writestr('include/c.txt', 'c')`

/** Serves a wheel with a large library in it; `sent` counts the bytes. */
async function serveWheel(ranges = true): Promise<{ url: string; sent: () => number }> {
  const file = join(checkout.root, 'x.whl')
  execFileSync('python3', ['-c', make, file])
  const bytes = readFileSync(file)
  let sent = 0
  server = createServer((request, response) => {
    const [, from, to] = (ranges && /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '')) || []
    const body = from ? bytes.subarray(Number(from), Number(to) + 1) : bytes
    response.writeHead(from ? 206 : 200, { 'Content-Length': body.length })
    if (request.method === 'HEAD') return response.end()
    sent += body.length
    response.end(body)
  })
  await new Promise<void>((listening) => server!.listen(0, '127.0.0.1', listening))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/x.whl`, sent: () => sent }
}

/** What the set-up says while it fetches headers from there. */
async function fetchFrom(url: string): Promise<string> {
  const code = `import * as m from './scripts/setup/cudnn-headers.mjs'; await m.fetchCudnnHeaders([['${url}', 'include']])`
  const run = promisify(execFile)
  const options = { cwd: checkout.root, env: { ...process.env, QLORA_CUDNN_HEADERS: '' } }
  return (await run(process.execPath, ['--input-type=module', '-e', code], options)).stdout
}
const header = (name: string): string => join(checkout.root, '.cache/cuda-headers/include', name)

it('headers are read out of a wheel without the rest of it', async () => {
  checkout = new Checkout()
  const { url, sent } = await serveWheel()
  expect(await fetchFrom(url)).toBe('')
  expect(readFileSync(header('a.h'), 'utf8')).toBe('a')
  expect(readFileSync(header('deep/b.h'), 'utf8')).toBe('b')
  expect(existsSync(header('c.txt'))).toBe(false)
  expect(sent()).toBeLessThan(2_000_000)
})

it('a failure is one line, and leaves nothing behind', async () => {
  checkout = new Checkout()
  const { url } = await serveWheel(false)
  expect((await fetchFrom(url)).trim()).toBe(
    `no cuDNN headers, attention will run on the library's own kernels (NoRanges: ${url}: the server gives whole files only)`,
  )
  expect(existsSync(header(''))).toBe(false)
})

it('headers that are there are not fetched again', () => {
  checkout = new Checkout({ 'mine/cudnn.h': '', '.cache/cuda-headers/include/cudnn_frontend.h': '' })
  const mine = join(checkout.root, 'mine')
  const found = (env: object): unknown =>
    checkout.evaluate(
      'setup/cudnn-headers.mjs',
      `m.cudnnHeaders(${JSON.stringify(env)}, ${JSON.stringify(checkout.root)}) ?? null`,
    )
  expect(found({ QLORA_CUDNN_HEADERS: mine })).toEqual([
    mine,
    join(checkout.root, '.cache/cuda-headers/include'),
  ])
})
