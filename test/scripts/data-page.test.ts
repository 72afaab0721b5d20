import { cp, readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import ts from 'typescript'
import { expect, it, vi } from 'vitest'
import * as qlora from '../../src/index'
import { temporaryFolder } from '../files/support/temporary'
import { tinyFolder } from './tiny-folder'

/** The page's TypeScript as one program, and what its comments say it prints. */
async function program(): Promise<{ code: string; expected: string[] }> {
  const page = await readFile(resolve(__dirname, '../../docs/data.md'), 'utf8')
  const blocks = [...page.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, block]) => block!)
  expect(blocks.length).toBe(8)
  const source = blocks.join('\n')
  const expected = [...source.matchAll(/^.*console\.log\(.*\) \/\/ (.*)$/gm)].map(([, text]) => text!)
  expect(expected.length).toBe([...source.matchAll(/console\.log/g)].length)
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
  })
  const code = outputText.replace(
    /^import \{([^}]*)\} from '([^']+)';$/gm,
    (_, names: string, from: string) => `const {${names}} = await load('${from}');`,
  )
  return { code, expected }
}

it(
  'every block of docs/data.md runs, in order, and prints what its comments say',
  { timeout: 120_000 },
  async () => {
    const { code, expected } = await program()
    const folder = await temporaryFolder()
    await cp(await tinyFolder(), `${folder}/my-model`, { recursive: true })
    const printed: string[] = []
    vi.spyOn(console, 'log').mockImplementation((...values: unknown[]) => {
      // Rows of the trainer's log are objects.
      if (!String(values[0]).startsWith('{')) printed.push(values.join(' '))
    })
    vi.spyOn(console, 'warn').mockImplementation(() => {})
    const before = process.cwd()
    process.chdir(folder)
    try {
      const load = (name: string): Promise<unknown> =>
        name === 'qlora' ? Promise.resolve(qlora) : import(name)
      const AsyncFunction = (async () => {}).constructor as new (
        ...args: string[]
      ) => (load: unknown) => Promise<void>
      await new AsyncFunction('load', code)(load)
    } finally {
      process.chdir(before)
    }
    expect(printed).toEqual(expected)
  },
)
