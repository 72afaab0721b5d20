import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { snapshot_download } from '../../src/files/hub'
import { PeftModel } from '../../src/peft/model'
import { cleanHubEnvironment } from '../files/support/hub-case'
import { HubReceiver } from '../files/support/hub-receive'
import { HubServer } from '../files/support/hub-server'
import { temporaryFolder } from '../files/support/temporary'
import { golden } from '../support/shared'
import { adapted, load, logitsOf, tokenizerOf } from './support'

const TOKEN = 'hf_secretsecretsecret'
cleanHubEnvironment()

let hub: HubServer
let received: HubReceiver
beforeEach(async () => {
  hub = await HubServer.start()
  received = hub.receiver = new HubReceiver(hub, TOKEN)
  vi.stubEnv('HF_ENDPOINT', hub.endpoint)
  vi.stubEnv('HF_HOME', await temporaryFolder())
  vi.stubEnv('HF_TOKEN', TOKEN)
})

const filesOf = (id: string): Record<string, Buffer> =>
  hub.repos.find(({ key }) => key === `model/${id}`)!.files

describe('push_to_hub', () => {
  it('a model: private, in one commit, and downloaded again it answers as before', async () => {
    const model = await load(golden('tiny-qwen2'))
    const shares: [string, number][] = []
    const url = await model.push_to_hub('owner/tuned', {
      ...{ commit_message: 'first', max_shard_size: '20KB', tokenizer: await tokenizerOf(128) },
      progress: (...share) => shares.push(share),
    })
    expect(url).toBe(`${hub.endpoint}/owner/tuned`)
    expect(received.made).toEqual([{ id: 'owner/tuned', visibility: 'private' }])
    expect(received.commits).toEqual(['first'])
    expect(Object.keys(filesOf('owner/tuned'))).toEqual(
      expect.arrayContaining(['README.md', 'config.json', 'model.safetensors.index.json', 'tokenizer.json']),
    )
    expect(shares.some(([path, done]) => path.endsWith('.safetensors') && done === 1)).toBe(true)
    const again = await load(await snapshot_download({ repo_id: 'owner/tuned' }))
    expect(await logitsOf(again)).toEqual(await logitsOf(model))
  })

  it('an adapter and a tokenizer; a name alone is one of the own account', async () => {
    const peft = await adapted('tiny-llama')
    await peft.push_to_hub('adapter', { private: false })
    expect(received.made).toEqual([{ id: 'me/adapter', visibility: 'public' }])
    const base = await load(golden('tiny-llama'))
    const again = await PeftModel.from_pretrained(base, 'me/adapter')
    expect(await logitsOf(again)).toEqual(await logitsOf(peft))
    await (await tokenizerOf(265)).push_to_hub('me/adapter')
    expect(received.made.length).toBe(1)
    expect(Object.keys(filesOf('me/adapter'))).toEqual(
      expect.arrayContaining(['adapter_model.safetensors', 'tokenizer.json', 'chat_template.jinja']),
    )
  })

  it('a hub that breaks every tenth part gets the whole file all the same', async () => {
    received.breakEvery = 10
    const model = await load(golden('tiny-qwen2'))
    await model.push_to_hub('owner/tuned')
    expect(received.parts).toBeGreaterThan(50)
    const folder = await temporaryFolder()
    await model.save_pretrained(folder)
    const written = await readFile(join(folder, 'model.safetensors'))
    expect(filesOf('owner/tuned')['model.safetensors']!.equals(written)).toBe(true)
  })

  it('a call that failed goes on where it broke: what is there is not sent again', async () => {
    received.commitStatus = 503
    const model = await load(golden('tiny-qwen2'))
    await expect(model.push_to_hub('owner/tuned')).rejects.toThrow(
      "the upload to 'owner/tuned' was refused (503",
    )
    const sent = received.parts
    expect(sent).toBeGreaterThan(50)
    received.commitStatus = 200
    await model.push_to_hub('owner/tuned')
    expect(received.parts).toBe(sent)
    expect(received.commits.length).toBe(1)
  })

  it('the token is sent to the hub alone and stands in no message', async () => {
    received.commitStatus = 403
    const model = await load(golden('tiny-qwen2'))
    const failure = await model.push_to_hub('owner/tuned').catch((error: unknown) => error as Error)
    expect(String(failure)).toContain('the token needs the right to write there')
    expect(String(failure)).not.toContain(TOKEN)
    expect(hub.requests.filter(({ url, token }) => /part|complete/.test(url) && token !== undefined)).toEqual(
      [],
    )
    const wrong = await model
      .push_to_hub('owner/tuned', { token: 'hf_wrong' })
      .catch((e: unknown) => e as Error)
    expect(String(wrong)).toContain('401')
    expect(String(wrong)).not.toContain('hf_wrong')
  })

  it('without a token, a name or a hub the reason is said', async () => {
    const tokenizer = await tokenizerOf(265)
    await expect(tokenizer.push_to_hub('a/b/c')).rejects.toThrow(
      "repo_id: got 'a/b/c', needs 'owner/name' or a name",
    )
    await expect(tokenizer.push_to_hub('')).rejects.toThrow("needs 'owner/name'")
    await expect(tokenizer.push_to_hub('a/b', { privat: true } as never)).rejects.toThrow(
      "Did you mean 'private'?",
    )
    vi.stubEnv('HF_TOKEN', undefined)
    await expect(tokenizer.push_to_hub('a/b')).rejects.toThrow('an upload needs an access token')
    vi.stubEnv('HF_HUB_OFFLINE', '1')
    await expect(tokenizer.push_to_hub('a/b')).rejects.toThrow('HF_HUB_OFFLINE')
    expect(hub.requests).toEqual([])
  })
})
