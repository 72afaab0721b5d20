import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'

import { AutoTokenizer } from '../../src/data/auto-tokenizer'
import { load_dataset } from '../../src/data/load-dataset'
import { cleanHubEnvironment, COMMIT, startHub } from '../files/support/hub-case'
import { closedEndpoint } from '../files/support/hub-server'
import { tinyFolder } from './tiny'

cleanHubEnvironment()

test('a data set comes from the hub, only the files of its split, and from the cache when offline', async () => {
  const { hub } = await startHub()
  const card =
    '---\nconfigs:\n- data_files:\n  - {split: train, path: data/a*}\n  - {split: test, path: data/b*}\n---\n'
  const files = {
    'README.md': Buffer.from(card),
    'data/a.jsonl': Buffer.from('{"i":1}\n{"i":2}\n'),
    'data/b.jsonl': Buffer.from('{"i":3}\n'),
  }
  hub.repos.push({ key: 'dataset/owner/rows', commit: COMMIT, files })
  expect((await load_dataset('owner/rows', { split: 'train' })).column('i')).toEqual([1, 2])
  expect(hub.requests.some(({ url }) => url.endsWith('data/b.jsonl'))).toBe(false)

  vi.stubEnv('HF_ENDPOINT', await closedEndpoint())
  vi.stubEnv('HF_HUB_OFFLINE', '1')
  expect((await load_dataset('owner/rows', { split: 'train[1:]' })).column('i')).toEqual([2])
  await expect(load_dataset('owner/rows', { split: 'test' })).rejects.toThrow(
    "split 'test': 'data/b*' matches no file",
  )
  await expect(load_dataset('owner/other', { split: 'train' })).rejects.toThrow('owner/other')
})

test('a tokenizer comes from the hub; a repository without one says what it has', async () => {
  const { hub } = await startHub()
  const dir = await tinyFolder()
  const names = ['tokenizer.json', 'tokenizer_config.json']
  const files = Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(dir, name))] as const)),
  )
  files['chat_template.jinja'] = Buffer.from('d')
  files['additional_chat_templates/tool_use.jinja'] = Buffer.from('t')
  files['other/x.jinja'] = Buffer.from('x')
  hub.repos.push({ key: 'model/owner/tiny', commit: COMMIT, files })
  const tokenizer = await AutoTokenizer.from_pretrained('owner/tiny')
  expect(tokenizer.chat_template).toEqual({ default: 'd', tool_use: 't' })
  expect(await tokenizer.tokenize('hello')).toEqual(['hello'])
  expect(tokenizer.eos_token).toBe('</s>')
  await expect(AutoTokenizer.from_pretrained('owner/name')).rejects.toThrow(
    /'owner\/name' has no tokenizer.json .*config.json/,
  )

  vi.stubEnv('HF_ENDPOINT', await closedEndpoint())
  const cached = await AutoTokenizer.from_pretrained('owner/tiny')
  expect(cached.chat_template).toEqual({ default: 'd', tool_use: 't' })
  vi.stubEnv('HF_HUB_OFFLINE', '1')
  expect((await AutoTokenizer.from_pretrained('owner/tiny')).vocab_size).toBe(tokenizer.vocab_size)
  expect((await AutoTokenizer.from_pretrained('owner/tiny', { local_files_only: true })).length).toBe(
    tokenizer.length,
  )
})
