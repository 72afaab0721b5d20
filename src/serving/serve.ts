import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, isIP } from 'node:net'
import { basename } from 'node:path'
import type { PreTrainedTokenizer } from '../data/tokenizer'
import type { CausalLM } from '../models/causal-lm'
import { parseOptions } from '../options/parse'
import { PeftModel } from '../peft/model'
import { answerChat, answerCompletion, type SendEvent } from './answers'
import { Engine } from './engine'
import { HttpError, httpErrorOf } from './http-error'
import { serveOptionSet } from './options'
import type { ParsedServeOptions, ServeOptions } from './options.generated'
import { readJson } from './read-json'
import { parseChat, parseCompletion, type Served } from './requests'

export type { ServeOptions } from './options.generated'

/** A running server. */
export interface RunningServer extends AsyncDisposable {
  /** `http://host:port/v1`: the base URL for OpenAI's clients. */
  readonly url: string
  readonly port: number
  /** Ends running answers and the server. */
  close(): Promise<void>
}

/**
 * Serves a model with OpenAI's routes: POST /v1/chat/completions and /v1/completions (also as streams), GET
 * /v1/models. Waiting requests are answered together. The model belongs to the caller.
 * @throws TypeError on an unknown option or an invalid value; Error when `host` is not a local address and
 * there is no key.
 */
export async function serve(
  model: CausalLM | PeftModel,
  tokenizer: PreTrainedTokenizer,
  options: ServeOptions = {},
): Promise<RunningServer> {
  const o = parseOptions(serveOptionSet, options)
  const key = o.api_key ?? process.env['QLORA_API_KEY'] ?? null
  if (!isLocal(o.host) && !key)
    throw new Error(
      `[serve] host '${o.host}' can be reached from other machines: give api_key (or set QLORA_API_KEY), or listen on 127.0.0.1`,
    )
  const base = model instanceof PeftModel ? model.base_model : model
  const most = base.config.max_position_embeddings
  const served: Served = {
    model: base,
    tokenizer,
    name: o.served_model_name ?? (basename(base.name_or_path) || 'model'),
    maxLength: Math.min(o.max_model_len ?? most, most),
  }
  const engine = new Engine(base, o.max_num_seqs)
  const front = new Front(served, engine, o, key)
  const server = createServer((request, response) => void front.handle(request, response))
  await listen(server, o)
  const { port } = server.address() as AddressInfo
  const host = isIP(o.host) === 6 ? `[${o.host}]` : o.host
  const close = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    await engine.close()
    server.closeAllConnections()
    await closed
  }
  return { url: `http://${host}:${port}/v1`, port, close, [Symbol.asyncDispose]: close }
}

const isLocal = (host: string): boolean => host === 'localhost' || host === '::1' || /^127\./.test(host)

function listen(server: Server, { host, port }: ParsedServeOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const inUse = error.code === 'EADDRINUSE'
      reject(
        inUse
          ? new Error(`[serve] port ${port} of ${host} is taken: give another port, or 0 for a free one`)
          : error,
      )
    })
    server.listen(port, host, resolve)
  })
}

/** Reads requests, checks keys, and writes answers. */
class Front {
  constructor(
    private readonly served: Served,
    private readonly engine: Engine,
    private readonly options: ParsedServeOptions,
    private readonly key: string | null,
  ) {}

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController()
    response.on('close', () => gone.abort())
    let sentHead = false
    const send: SendEvent = (event) => {
      if (!sentHead)
        response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
      sentHead = true
      response.write(`data: ${JSON.stringify(event)}\n\n`)
    }
    try {
      const answer = await this.route(request, send, gone.signal)
      if (answer !== undefined) writeJson(response, 200, answer)
      else response.end('data: [DONE]\n\n')
    } catch (thrown) {
      const error = httpErrorOf(thrown)
      if (gone.signal.aborted) return
      if (sentHead) {
        send(error.body)
        response.end()
      } else writeJson(response, error.status, error.body)
    }
  }

  private async route(
    request: IncomingMessage,
    send: SendEvent,
    gone: AbortSignal,
  ): Promise<object | undefined> {
    const path = new URL(request.url ?? '/', 'http://server').pathname.replace(/\/$/, '')
    this.checkHost(request)
    if (path === '/health' && request.method === 'GET') return { status: 'ok' }
    this.checkKey(request)
    const { name } = this.served
    const card = { id: name, object: 'model', created: 0, owned_by: 'qlora' }
    if (request.method === 'GET' && path === '/v1/models') return { object: 'list', data: [card] }
    if (request.method === 'GET' && path.startsWith('/v1/models/')) {
      this.checkModel(decodeURIComponent(path.slice('/v1/models/'.length)))
      return card
    }
    const isChat = path === '/v1/chat/completions'
    if (!isChat && path !== '/v1/completions')
      throw new HttpError(
        404,
        `${request.method} ${path}: there is no such route; there are POST /v1/chat/completions, POST /v1/completions and GET /v1/models`,
        'unknown_url',
      )
    if (request.method !== 'POST')
      throw new HttpError(405, `${path} takes POST, not ${request.method}`, 'method_not_allowed')
    const body = await readJson(request)
    const { engine, served } = this
    if (engine.load >= this.options.max_num_seqs + this.options.max_queue)
      throw new HttpError(
        429,
        `${engine.load} answers are being made or wait: try again later`,
        'rate_limit_exceeded',
      )
    if (isChat) {
      const parsed = parseChat(body)
      this.checkModel(parsed.model)
      return answerChat(served, engine, parsed, parsed.stream ? send : undefined, gone)
    }
    const parsed = parseCompletion(body)
    this.checkModel(parsed.model)
    return answerCompletion(served, engine, parsed, parsed.stream ? send : undefined, gone)
  }

  private checkModel(asked: string): void {
    const { name } = this.served
    if (asked !== '' && asked !== name)
      throw new HttpError(
        404,
        `The model '${asked}' does not exist; this server has '${name}'.`,
        'model_not_found',
        'model',
      )
  }

  /**
   * Without a key, a web page must not reach the server through a host name that it has pointed to this
   * machine.
   */
  private checkHost({ headers }: IncomingMessage): void {
    if (this.key) return
    const host = (headers.host ?? '').replace(/:\d+$/, '').replace(/^\[|\]$/g, '')
    if (!isLocal(host))
      throw new HttpError(
        403,
        `Host '${host}' is not this machine's own name: use 127.0.0.1 or localhost`,
        'forbidden_host',
      )
  }

  private checkKey({ headers }: IncomingMessage): void {
    if (!this.key) return
    const given = /^Bearer (.*)$/i.exec(headers.authorization ?? '')?.[1] ?? ''
    const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
    if (timingSafeEqual(digest(given), digest(this.key))) return
    const what = given === '' ? 'You have sent no API key' : 'Incorrect API key provided'
    throw new HttpError(401, `${what}: send Authorization: Bearer ...`, 'invalid_api_key')
  }
}

function writeJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}
