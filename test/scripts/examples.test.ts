import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { temporaryFolder } from '../files/support/temporary'
import { tinyFolder } from './tiny-folder'

const root = resolve(__dirname, '../..')

// The built library, as a user's process has it.
it('examples/preference.mjs trains on its pairs and saves an adapter', { timeout: 60_000 }, async () => {
  const output = await temporaryFolder()
  const args = ['examples/preference.mjs', await tinyFolder(), 'examples/data/pairs.jsonl', output]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root })
  const margins = /^reward margins: (.*)$/m.exec(stdout)![1]!.split(' ').map(Number)
  expect(margins).toHaveLength(9)
  expect(margins.at(-1)).toBeGreaterThan(0)
  const config = await readFile(join(output, 'adapter/adapter_config.json'), 'utf8')
  expect(JSON.parse(config)).toMatchObject({ r: 8, peft_type: 'LORA' })
})
