import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { operationsModule, readOperations } from '../../scripts/generate-operations.mjs'
import { addon } from '../../src/native/addon'

const root = join(__dirname, '../..')
const text = (path: string): string => readFileSync(join(root, path), 'utf8')
const list = text('native/core/ops.inc')
const operations = readOperations(list)

it('the contract and the loaded module have the same names', () => {
  const others = [...text('src/native/contract.ts').matchAll(/^ {2}(\w+)[(<]/gm)].map((m) => m[1]!)
  expect(others.length).toBeGreaterThan(14)
  expect(operations.length).toBeGreaterThan(35)
  expect(Object.keys(addon()).sort()).toEqual([...others, ...operations.map((o) => o.name)].sort())
})

it('operations.generated.ts is what scripts/generate-operations.mjs makes of ops.inc', async () => {
  expect(text('src/native/operations.generated.ts')).toBe(await operationsModule(list))
})

it('a declaration that cannot be read is refused by name', () => {
  expect(() => readOperations('OP(void f(double x))')).toThrow('expected OP(name, (arguments)) on one line')
  expect(() => readOperations('OP(f, (float x))')).toThrow("f: no JavaScript type for 'float x'")
})

describe.each(['native/core/check', 'native/cpu', 'native/cuda'])('the operations in %s', (folder) => {
  const sources = readdirSync(join(root, folder)).filter((file) => /\.(cpp|cu)$/.test(file))
  const defined = new Map(
    sources.flatMap((file) =>
      [...text(join(folder, file)).matchAll(/^void (?:Checks|CpuOps|CudaOps)::(\w+)\(([^)]*)\) \{/gm)].map(
        ([, name, args]) => [name!, args!.replace(/\s+/g, ' ').split(', ')] as const,
      ),
    ),
  )

  it.each(operations)('$name has the arguments of ops.inc, in its order', ({ name, args }) => {
    // An unused argument may go without a name.
    const expected = args.map((a, i) =>
      defined.get(name)?.[i] === a.native ? a.native : `${a.native} ${a.name}`,
    )
    expect(defined.get(name)).toEqual(expected)
  })
})
