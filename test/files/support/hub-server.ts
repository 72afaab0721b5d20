import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import type { HubReceiver } from './hub-receive'

/** What goes wrong with one GET of content. `after`: bytes sent before. Faults are used up in order. */
export type Fault =
  | { kind: 'break' | 'short' | 'stall'; after: number }
  | { kind: 'flip' | 'ignore-range' | 'wrong-range' | 'too-long' }
  | { kind: 'status'; status: number; headers?: Record<string, string> }

export interface Seen {
  method: string
  /** Path only. */
  url: string
  range: string | undefined
  token: string | undefined
  encoding: string | undefined
}

export interface TestRepo {
  /** `model/owner/name` or `dataset/owner/name`. */
  key: string
  commit: string
  files: Record<string, Buffer>
  /** Answer to every request instead: status and X-Error-Code. */
  refusal?: { status: number; code?: string; message?: string }
  /** Token that must come. */
  token?: string
  renamedTo?: string
}

const LARGE = 100

/**
 * A server that speaks the hub's endpoints for a few repositories. Files of more than 100 bytes are "large": their
 * resolve address redirects to a second server on another port, as the hub does to its storage.
 */
export class HubServer {
  readonly requests: Seen[] = []
  readonly faults: Fault[] = []
  readonly repos: TestRepo[] = []
  /** Answers to metadata requests (HEAD, API) instead of the real ones, used up in order. */
  readonly trouble: number[] = []
  /** Hides what a hub's answer has, to look like some other server. */
  plain = false
  /** Lets a listing go on at the storage's host. */
  strayPages = false
  endpoint = ''
  /** Answers uploads. */
  receiver: HubReceiver | undefined
  private storage = ''

  static async start(): Promise<HubServer> {
    const hub = new HubServer()
    hub.endpoint = await listen(createServer((request, response) => hub.answer(request, response)))
    hub.storage = await listen(createServer((request, response) => hub.answerStorage(request, response)))
    return hub
  }

  /** Content requests so far: `range` of each GET that was for bytes. */
  ranges(): (string | undefined)[] {
    const direct = (url: string): boolean => /\/(resolve|blob)\//.test(url)
    return this.requests
      .filter(({ method, url }) => method === 'GET' && direct(url))
      .map(({ range }) => range)
  }

  private log(request: IncomingMessage): URL {
    const url = new URL(request.url ?? '/', this.endpoint)
    const { range, authorization: token } = request.headers
    const encoding = String(request.headers['accept-encoding'])
    this.requests.push({ method: request.method ?? '', url: url.pathname, range, token, encoding })
    return url
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const url = this.log(request)
    if (this.receiver?.handle(request, response, url)) return
    const api = /^\/api\/(model|dataset)s\/(.+?)\/(revision|tree)\/([^/]+)$/.exec(url.pathname)
    const file = /^\/(datasets\/)?(.+?)\/resolve\/([^/]+)\/(.+)$/.exec(url.pathname)
    const content = request.method === 'GET' && file
    const trouble = content ? undefined : this.trouble.shift()
    if (trouble) return void response.writeHead(trouble).end()
    const key = api ? `${api[1]}/${api[2]}` : file ? `${file[1] ? 'dataset' : 'model'}/${file[2]}` : ''
    const revision = decodeURIComponent((api ? api[4] : file?.[3]) ?? '')
    const repo = this.repos.find((one) => one.key === key)
    if (!repo) return refuse(response, 401, 'RepoNotFound')
    const { refusal } = repo
    if (repo.token && request.headers.authorization !== `Bearer ${repo.token}`) return refuse(response, 401)
    if (refusal) return refuse(response, refusal.status, refusal.code, refusal.message)
    if (repo.renamedTo) {
      const location = url.pathname.replace(key.split('/').slice(1).join('/'), repo.renamedTo)
      return void response.writeHead(307, { location }).end()
    }
    if (!['main', 'refs/pr/1', repo.commit].includes(revision))
      return refuse(response, 404, 'RevisionNotFound')
    if (api?.[3] === 'revision') {
      return json(response, { _id: 'x', id: api[2], sha: repo.commit, lastModified: '2026-01-01T00:00:00Z' })
    }
    if (api) return this.tree(response, repo, url)
    this.file(request, response, repo, decodeURIComponent(file?.[4] ?? ''))
  }

  /** Two entries a page, a folder entry first. */
  private tree(response: ServerResponse, repo: TestRepo, url: URL): void {
    const start = Number(url.searchParams.get('cursor') ?? 0)
    const entries = [
      { type: 'directory', path: 'sub', size: 0, oid: 'x' },
      ...Object.entries(repo.files).map(([path, data]) => ({
        type: 'file',
        path,
        size: data.length,
        oid: gitSha1(data),
      })),
    ]
    const next = `${this.strayPages ? this.storage : this.endpoint}${url.pathname}?recursive=true&cursor=${start + 2}`
    json(
      response,
      entries.slice(start, start + 2),
      start + 2 < entries.length ? { link: `<${next}>; rel="next"` } : {},
    )
  }

  private file(request: IncomingMessage, response: ServerResponse, repo: TestRepo, path: string): void {
    response.setHeader('x-repo-commit', repo.commit)
    const data = repo.files[path]
    if (!data) return refuse(response, 404, 'EntryNotFound')
    if (this.plain) {
      response.removeHeader('x-repo-commit')
      return void response.end('<html>')
    }
    if (data.length > LARGE) {
      const hash = sha256(data)
      return void response
        .writeHead(302, {
          location: `${this.storage}/blob/${hash}`,
          etag: '"not-this-one"',
          'x-linked-etag': `"${hash}"`,
          'x-linked-size': String(data.length),
        })
        .end()
    }
    response.setHeader('etag', `W/"${gitSha1(data)}"`)
    this.send(request, response, data)
  }

  private answerStorage(request: IncomingMessage, response: ServerResponse): void {
    const hash = this.log(request).pathname.split('/').at(-1)
    const data = this.repos.flatMap((repo) => Object.values(repo.files)).find((one) => sha256(one) === hash)
    if (data) this.send(request, response, data)
    else refuse(response, 404)
  }

  private send(request: IncomingMessage, response: ServerResponse, data: Buffer): void {
    if (request.method === 'HEAD')
      return void response.writeHead(200, { 'content-length': data.length }).end()
    const fault = this.faults.shift()
    if (fault?.kind === 'status') return void response.writeHead(fault.status, fault.headers).end()
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
    if (from >= data.length && from > 0) return void response.writeHead(416).end()
    const ranged = from > 0 && fault?.kind !== 'ignore-range'
    const body = Buffer.from(ranged ? data.subarray(from) : data)
    if (fault?.kind === 'flip') body[body.length >> 1]! ^= 1
    if (ranged) {
      const start = fault?.kind === 'wrong-range' ? from - 1 : from
      response.writeHead(206, { 'content-range': `bytes ${start}-${data.length - 1}/${data.length}` })
    }
    if (fault?.kind === 'too-long') return void response.end(Buffer.concat([body, body]))
    if (!fault || !('after' in fault)) return void response.end(body)
    // No content-length was sent: the body is chunked, so that a clean early end looks like a whole answer.
    response.write(body.subarray(0, fault.after), () => {
      if (fault.kind === 'break') response.destroy()
      if (fault.kind === 'short') response.end()
    })
  }
}

export function sha256(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex')
}

export function gitSha1(data: Buffer): string {
  return createHash('sha1').update(`blob ${data.length}\0`).update(data).digest('hex')
}

/** An address where nothing listens. */
export async function closedEndpoint(): Promise<string> {
  const server = createServer()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  await new Promise((done) => server.close(done))
  return `http://127.0.0.1:${port}`
}

function refuse(response: ServerResponse, status: number, code?: string, message?: string): void {
  if (code) response.setHeader('x-error-code', code)
  if (message) response.setHeader('x-error-message', message)
  response.writeHead(status).end()
}

function json(response: ServerResponse, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
