import { createHmac, timingSafeEqual } from 'node:crypto'

/** What shows that a rank knows the token, without sending it: `nonce` is the listener's, new for each connection. */
export function proof(token: string, nonce: string, rank: number): string {
  return createHmac('sha256', token).update(`${nonce} ${rank}`).digest('hex')
}

export function isProof(given: unknown, expected: string): boolean {
  if (typeof given !== 'string' || given.length !== expected.length) return false
  return timingSafeEqual(Buffer.from(given), Buffer.from(expected))
}
