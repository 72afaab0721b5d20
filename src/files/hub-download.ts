import { createHash, type Hash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { codeOf, ensureFreeSpace } from './atomic'
import { sizeOf } from './hub-cache'
import { explainResponse, HubError } from './hub-error'
import { backOff, hubFetch, networkReason, retryPolicy } from './hub-fetch'
import { type Repo, resolveUrl } from './hub-repo'
import { hubTimeoutMs } from './hub-settings'
import { PartialFile } from './partial-file'

/** Called for each piece that arrives; `received` starts with the bytes of an earlier, interrupted download. */
export type DownloadProgress = (state: { filename: string; received: number; total: number }) => void

export interface Download {
  /** With a commit as revision, so that all attempts get the same content. */
  repo: Repo
  filename: string
  etag: string
  size: number
  token: string | undefined
  signal: AbortSignal | undefined
  progress: DownloadProgress | undefined
}

/** Number of complete files with a wrong hash after which the download fails. */
const CORRUPT_LIMIT = 3

/**
 * How a blob is checked: sha256 of the content, git's hash of it, or, for an etag of unknown kind, only its
 * size.
 */
function newHash(etag: string, size: number): Hash | undefined {
  if (/^[0-9a-f]{64}$/.test(etag)) return createHash('sha256')
  if (/^[0-9a-f]{40}$/.test(etag)) return createHash('sha1').update(`blob ${size}\0`)
  return undefined
}

/**
 * Downloads a file's content to `blob`, which appears only when complete and with the right hash. An
 * interrupted download continues where it stopped, also in a later call (from `<blob>.qlora.incomplete`); wrong
 * content is downloaded again. The caller holds the blob's lock.
 *
 * @throws HubError when the hub refuses, is unreachable or repeatedly sends wrong content; Error on a full
 * disk.
 */
export async function downloadBlob(blob: string, download: Download): Promise<void> {
  const incomplete = `${blob}.qlora.incomplete`
  await mkdir(dirname(blob), { recursive: true })
  await ensureFreeSpace(dirname(blob), download.size - ((await sizeOf(incomplete)) ?? 0))
  const file = await open(incomplete, constants.O_RDWR | constants.O_CREAT)
  try {
    for (let corrupt = 0; ;) {
      const digest = await receiveAll(file, download)
      if (digest === undefined || digest === download.etag) break
      await file.truncate(0)
      if (++corrupt === CORRUPT_LIMIT) {
        await rm(incomplete, { force: true })
        throw new HubError(
          'Corrupt',
          `${resolveUrl(download.repo, download.filename)}: wrong content ${corrupt} times: hash ${digest}; ` +
            `expected ${download.etag}`,
        )
      }
    }
    await file.sync()
  } catch (error) {
    if (codeOf(error) !== 'ENOSPC') throw error
    throw new Error(
      `${blob}: no space left on the disk for '${download.filename}' (${download.size} bytes)`,
      {
        cause: error,
      },
    )
  } finally {
    await file.close()
  }
  await rename(incomplete, blob)
}

/** Receives until the file is complete, over several connections if necessary. Returns its hash. */
async function receiveAll(file: FileHandle, download: Download): Promise<string | undefined> {
  const { size, etag } = download
  const body = new PartialFile(file, size, () => newHash(etag, size))
  await body.resume()
  for (let failures = 0; body.received < size;) {
    const before = body.received
    try {
      await receive(body, download)
      if (body.received < size) throw new Error(`ended after ${body.received} of ${size} bytes`)
    } catch (error) {
      download.signal?.throwIfAborted()
      // A refusal of the hub or an error of the disk does not change with another attempt.
      if (error instanceof HubError || error === body.fault) throw error
      failures = body.received > before ? 1 : failures + 1
      if (failures >= retryPolicy.attempts) {
        throw new HubError(
          'Network',
          `${resolveUrl(download.repo, download.filename)}: download broke off ${failures} times in a row at byte ` +
            `${body.received} of ${size}: ${networkReason(error)}`,
          undefined,
          { cause: error },
        )
      }
      await backOff(failures, download.signal)
    }
  }
  return body.digest()
}

/** One connection: requests the missing bytes and receives them. */
async function receive(body: PartialFile, download: Download): Promise<void> {
  const { repo, filename, token, size, signal, progress } = download
  const timeoutMs = hubTimeoutMs('HF_HUB_DOWNLOAD_TIMEOUT')
  const stalled = new AbortController()
  const stop = signal ? AbortSignal.any([signal, stalled.signal]) : stalled.signal
  const headers = body.received > 0 ? { range: `bytes=${body.received}-` } : {}
  const response = await hubFetch(resolveUrl(repo, filename), { headers, token, signal: stop, timeoutMs })
  if (response.status === 416) {
    await response.body?.cancel()
    await body.restart()
    throw new Error('the server has no bytes after those we have')
  }
  if (!response.ok || !response.body) throw explainResponse(response, repo, filename)
  const from = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1]
  // Status 200 or another range: the bytes do not continue those that we have.
  if (body.received > 0 && (response.status !== 206 || Number(from) !== body.received)) {
    if (response.status === 206) {
      await response.body.cancel()
      await body.restart()
      throw new Error(`asked for bytes from ${headers.range}, got ${response.headers.get('content-range')}`)
    }
    await body.restart()
  }
  const stall = (): void => stalled.abort(new Error(`no byte for ${timeoutMs / 1000} s`))
  let timer = setTimeout(stall, timeoutMs)
  try {
    for await (const chunk of response.body) {
      clearTimeout(timer)
      await body.append(chunk as Uint8Array)
      progress?.({ filename, received: body.received, total: size })
      timer = setTimeout(stall, timeoutMs)
    }
  } finally {
    clearTimeout(timer)
  }
}
