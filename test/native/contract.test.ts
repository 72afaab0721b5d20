import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { addon } from '../../src/native/addon'

it('the contract and the loaded module have the same names', () => {
  const source = readFileSync(join(__dirname, '../../src/native/contract.ts'), 'utf8')
  const declared = [...source.matchAll(/^ {2}(\w+)\(/gm)].map((m) => m[1]!)
  expect(declared.length).toBeGreaterThan(40)
  expect(Object.keys(addon()).sort()).toEqual(declared.sort())
})
