import { expect, test } from 'vitest'
import { HubError } from '../../src/files/hub-error'
import { hubFetch } from '../../src/files/hub-fetch'
import { hubToken } from '../../src/files/hub-settings'

test('no message holds a token or a password', async () => {
  const token = await hubToken('hf_secret123')
  expect(new HubError('Network', `https://me:pass@hub/x: ${token} refused`).message).toBe(
    'https://hub/x: <token> refused',
  )
  await expect(hubToken('hf_a\nb')).rejects.toThrow(/^the access token has a space, a line break/)
  await expect(hubFetch('ftp://me:pass@hub/x', { timeoutMs: 10 })).rejects.toThrow(
    'ftp://hub/x: no address of a server; is HF_ENDPOINT right?',
  )
})
