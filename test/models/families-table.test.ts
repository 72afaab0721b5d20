import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, it } from 'vitest'
import { familyOf, modelTypes } from '../../src/models/families'
import { familyModels } from '../parity/family-models'

const document = readFileSync(join(resolve(__dirname, '../..'), 'docs/families.md'), 'utf8')
const cells = (line: string): string[] =>
  line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim())

it('docs/families.md has every family, with what the tests of the list in test/parity/family-models.ts see', () => {
  expect(Object.keys(familyModels)).toEqual([...modelTypes])
  const [, , ...rows] = document.split('\n').filter((line) => line.startsWith('|'))
  const expected = Object.entries(familyModels).map(([type, { gguf }]) => {
    const { architecture, gguf: reads } = familyOf(type)
    expect(reads?.architecture).toBe(gguf?.architecture)
    return [`\`${type}\``, architecture, ...Array<string>(7).fill('yes'), gguf ? 'yes' : 'no']
  })
  expect(rows.map(cells)).toEqual(expected)
})
