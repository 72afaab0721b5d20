import type { IncomingMessage } from 'node:http'
import { HttpError } from './http-error'

const MOST_BYTES = 16 * 2 ** 20

/**
 * The JSON object in a request's body. @throws HttpError when it is too long, of another type, or not an
 * object.
 */
export async function readJson(request: IncomingMessage): Promise<object> {
  const type = request.headers['content-type'] ?? ''
  // A page of another site can send plain text without a preflight request, but not JSON.
  if (!/^application\/json\b/i.test(type))
    throw new HttpError(415, `content-type: got '${type}', needs application/json`, 'unsupported_media_type')
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MOST_BYTES)
      throw new HttpError(413, `the request has more than ${MOST_BYTES} bytes`, 'request_too_large')
    chunks.push(chunk)
  }
  let body: unknown
  try {
    body = JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch (error) {
    throw new HttpError(
      400,
      `We could not parse the JSON body of your request: ${(error as Error).message}`,
      'invalid_json',
    )
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new HttpError(400, 'the body has to be a JSON object', 'invalid_json')
  return body
}
