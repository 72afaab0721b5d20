import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { HubServer } from './hub-server'

/** Bytes of a part of a large file, and from which size on a file is large. */
const PART = 1000
const LARGE = 100

interface CommitLine {
  key: 'header' | 'file' | 'lfsFile'
  value: { path: string; content: string; oid: string; summary: string }
}

/** What a hub receives: repositories that are made, large files in parts, commits. */
export class HubReceiver {
  /** By hash: large files that are whole. */
  readonly objects: Map<string, Buffer> = new Map()
  /** Titles of commits. */
  readonly commits: string[] = []
  readonly made: { id: string; visibility: string }[] = []
  /** Sent parts so far; each `breakEvery`th breaks the connection when half of it is there. */
  parts = 0
  breakEvery = Infinity
  /** Answer of the commit in place of a success. */
  commitStatus = 200
  private readonly pending: Map<string, Buffer[]> = new Map()

  constructor(
    private readonly hub: HubServer,
    /** The token that may write. */
    private readonly token: string,
  ) {}

  /** Answers what belongs to an upload; false for everything else. */
  handle(request: IncomingMessage, response: ServerResponse, { pathname }: URL): boolean {
    const api = /^\/api\/models\/(.+)\/(preupload|commit)\/([^/]+)$/.exec(pathname)
    const batch = /^\/(.+)\.git\/info\/lfs\/objects\/batch$/.exec(pathname)
    const part = /^\/part\/(\w+)\/(\d+)$/.exec(pathname)
    const complete = /^\/complete\/(\w+)$/.exec(pathname)
    const known = api ?? batch ?? part ?? complete
    if (!known && !['/api/repos/create', '/api/whoami-v2'].includes(pathname)) return false
    // Addresses of parts are signed: the token is not sent to them.
    const mayWrite = request.headers.authorization === `Bearer ${this.token}`
    if (!part && !complete && !mayWrite) {
      reply(response, 401, { error: `Invalid token ${request.headers.authorization}` })
      return true
    }
    if (part && ++this.parts % this.breakEvery === 0) {
      request.once('data', () => request.destroy())
      return true
    }
    void read(request).then((body) => {
      if (pathname === '/api/whoami-v2')
        return reply(response, 200, { type: 'user', name: 'me', orgs: [], auth: {} })
      if (pathname === '/api/repos/create') return this.create(response, JSON.parse(body.toString()) as never)
      if (part) return this.keep(response, part[1]!, Number(part[2]), body)
      if (complete) return this.complete(response, complete[1]!)
      if (batch) return this.batch(response, JSON.parse(body.toString()) as never)
      if (api![2] === 'preupload') return this.preupload(response, JSON.parse(body.toString()) as never)
      return this.commit(response, api![1]!, body.toString())
    })
    return true
  }

  private create(
    response: ServerResponse,
    wanted: { name: string; organization: string; visibility: string },
  ): void {
    const id = `${wanted.organization}/${wanted.name}`
    if (this.hub.repos.some(({ key }) => key === `model/${id}`))
      return reply(response, 409, { error: 'exists' })
    this.hub.repos.push({ key: `model/${id}`, commit: 'c0ffee'.padEnd(40, '0'), files: {} })
    this.made.push({ id, visibility: wanted.visibility })
    reply(response, 200, { url: `${this.hub.endpoint}/${id}`, id })
  }

  private preupload(response: ServerResponse, { files }: { files: { path: string; size: number }[] }): void {
    const mode = (size: number): string => (size > LARGE ? 'lfs' : 'regular')
    reply(response, 200, { files: files.map(({ path, size }) => ({ path, uploadMode: mode(size) })) })
  }

  private batch(response: ServerResponse, { objects }: { objects: { oid: string; size: number }[] }): void {
    const answer = objects.map(({ oid, size }) => {
      if (this.objects.has(oid)) return { oid, size }
      const count = Math.ceil(size / PART)
      this.pending.set(oid, Array<Buffer>(count))
      const addresses = Array.from({ length: count }, (_, i): [string, string] => [
        String(i + 1).padStart(5, '0'),
        `${this.hub.endpoint}/part/${oid}/${i}`,
      ])
      const header = { chunk_size: String(PART), ...Object.fromEntries(addresses) }
      return { oid, size, actions: { upload: { href: `${this.hub.endpoint}/complete/${oid}`, header } } }
    })
    reply(response, 200, { transfer: 'multipart', objects: answer })
  }

  private keep(response: ServerResponse, oid: string, index: number, body: Buffer): void {
    this.pending.get(oid)![index] = body
    response.setHeader('etag', `"${index}"`)
    reply(response, 200, {})
  }

  private complete(response: ServerResponse, oid: string): void {
    const whole = Buffer.concat(this.pending.get(oid)!)
    if (createHash('sha256').update(whole).digest('hex') !== oid)
      return reply(response, 400, { error: 'another hash' })
    this.objects.set(oid, whole)
    reply(response, 200, {})
  }

  private commit(response: ServerResponse, id: string, body: string): void {
    if (this.commitStatus !== 200) return reply(response, this.commitStatus, { error: `no: ${this.token}` })
    const repo = this.hub.repos.find(({ key }) => key === `model/${id}`)!
    for (const line of body.trim().split('\n')) {
      const { key, value } = JSON.parse(line) as CommitLine
      if (key === 'header') this.commits.push(value.summary)
      if (key === 'file') repo.files[value.path] = Buffer.from(value.content, 'base64')
      if (key === 'lfsFile') repo.files[value.path] = this.objects.get(value.oid)!
    }
    const oid = repo.commit
    reply(response, 200, {
      success: true,
      commitOid: oid,
      commitUrl: `${this.hub.endpoint}/${id}/commit/${oid}`,
      hookOutput: '',
    })
  }
}

function reply(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts)
}
