import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf } from './atomic'
import { HubError } from './hub-error'

/** The number of failed attempts in a row, and the pause after the first one; it doubles each time, up to 8 s. */
export const retryPolicy: { attempts: number; firstDelayMs: number } = { attempts: 5, firstDelayMs: 500 }

/** Status codes that are worth another attempt. */
export const PASSING: readonly number[] = [408, 429, 500, 502, 503, 504]
const LONGEST_DELAY_MS = 8000
const LONGEST_RETRY_AFTER_MS = 60_000

export interface HubRequest {
  method?: 'GET' | 'HEAD'
  headers?: Record<string, string>
  token?: string | undefined
  redirect?: 'follow' | 'manual'
  signal?: AbortSignal | undefined
  /** Time limit for the answer's headers. */
  timeoutMs: number
  attempts?: number | undefined
}

/**
 * Sends a request; repeats it after a pause when the connection fails or the server answers 408, 429 or 5xx.
 * Returns the last answer, whatever its status. The token is sent only to the address's own host: `fetch` drops
 * it if a redirect leaves that host.
 *
 * @throws HubError 'Network' when there was no answer; the signal's reason on abort.
 */
export async function hubFetch(url: string, request: HubRequest): Promise<Response> {
  const attempts = request.attempts ?? retryPolicy.attempts
  if (!/^https?:$/.test(URL.canParse(url) ? new URL(url).protocol : ''))
    throw new HubError('Network', `${url}: no address of a server; is HF_ENDPOINT right?`)
  for (let attempt = 1; ; attempt++) {
    let retryAfter: string | null = null
    try {
      const response = await once(url, request)
      if (!PASSING.includes(response.status) || attempt >= attempts) return response
      retryAfter = response.headers.get('retry-after')
      await response.body?.cancel()
    } catch (error) {
      request.signal?.throwIfAborted()
      if (attempt >= attempts) {
        throw new HubError(
          'Network',
          `${url}: no answer after ${attempt} attempts: ${networkReason(error)}`,
          undefined,
          {
            cause: error,
          },
        )
      }
    }
    await backOff(attempt, request.signal, retryAfter)
  }
}

/** Waits before attempt number `attempt` + 1; as long as the server requested, if it did. */
export async function backOff(
  attempt: number,
  signal?: AbortSignal,
  retryAfter?: string | null,
): Promise<void> {
  const asked = Number(retryAfter) * 1000
  const doubled = Math.min(retryPolicy.firstDelayMs * 2 ** (attempt - 1), LONGEST_DELAY_MS)
  const delay = asked > 0 ? Math.min(asked, LONGEST_RETRY_AFTER_MS) : doubled
  try {
    await sleep(delay, undefined, signal && { signal })
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
}

/** The reason behind fetch's "fetch failed". */
export function networkReason(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined
  return cause instanceof Error && cause.message ? cause.message : messageOf(error)
}

/** A request that fails if its headers take longer than `timeoutMs`; the body has no limit. */
async function once(url: string, request: HubRequest): Promise<Response> {
  const { method = 'GET', headers, token, redirect = 'follow', signal, timeoutMs } = request
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(new Error(`no answer within ${timeoutMs / 1000} s`)), timeoutMs)
  try {
    return await fetch(url, {
      method,
      redirect,
      signal: signal ? AbortSignal.any([signal, late.signal]) : late.signal,
      headers: {
        // Ranges, sizes and hashes must be those of the file, not of a compressed transfer.
        'accept-encoding': 'identity',
        'user-agent': 'qlora.js',
        ...headers,
        ...(token && { authorization: `Bearer ${token}` }),
      },
    })
  } finally {
    clearTimeout(timer)
  }
}
