import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { llama8b } from '../../scripts/bench/random-model.mjs'
import { planCommand } from '../../src/cli/plan'
import { temporaryFolder } from '../files/support/temporary'

async function plan(...words: string[]): Promise<{ code: number; printed: string }> {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'config.json'), JSON.stringify(llama8b(2)))
  const output = new PassThrough()
  const code = await planCommand([folder, ...words], { input: new PassThrough(), output })
  output.end()
  return { code, printed: await text(output) }
}

describe('qlora plan', () => {
  it('needs config.json and nothing else', async () => {
    const { code, printed } = await plan(
      '--card',
      'RTX 4060 8GB',
      '--lengths',
      '512',
      '1024',
      '--memory',
      'lean',
    )
    const [head, rule, first, second] = printed.trim().split('\n').slice(1)
    expect(head).toMatch(/^card +r +length +batch +lean +may take +fits +tokens\/s, estimated$/)
    expect(rule).toMatch(/^-+/)
    expect(first).toMatch(/^RTX 4060 8GB +16 +512 +1 +[\d.]+ [MG]iB +7\.25 GiB +lean +\d+$/)
    expect(second).toMatch(/^RTX 4060 8GB +16 +1024 /)
    expect(code).toBe(0)
  })

  it('is 1 where nothing fits, and names the nearest card', async () => {
    expect((await plan('--card', '1GiB', '--lengths', '512')).code).toBe(1)
    await expect(plan('--card', 'RTX 409')).rejects.toThrow(/Did you mean 'RTX 4090 24GB'/)
  })
})
