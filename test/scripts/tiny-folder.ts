import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryFolder } from '../files/support/temporary'
import { golden } from '../support/shared'

/** A tiny model with a tokenizer, as a folder. */
export async function tinyFolder(): Promise<string> {
  const folder = await temporaryFolder()
  await cp(golden('tiny-llama'), folder, { recursive: true })
  for (const name of ['tokenizer.json', 'tokenizer_config.json'])
    await cp(golden('preference', name), join(folder, name))
  return folder
}
