import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'

import { parseExactJson } from '../../../src/files/json'
import { renderConversation, type ChatMessage } from '../../../src/data/chat-template'

interface Expected {
  text?: string
  said?: string[]
  error?: string
  message?: string
}
interface Case {
  messages: Record<string, unknown>[]
  [variable: string]: unknown
}
interface Fixture {
  special_tokens: Record<string, string>
  cases: Record<string, Case>
  expected: Record<string, Record<string, Expected>>
}

const fixtures = join(__dirname, '../fixtures')
const text = readFileSync(join(fixtures, 'chat-expected.json'), 'utf8')
const { special_tokens, cases, expected } = parseExactJson('chat-expected.json', text) as Fixture
const files = readdirSync(join(fixtures, 'chat-templates')).filter((name) => name.endsWith('.jinja'))

beforeAll(() => {
  vi.useFakeTimers({ toFake: ['Date'] })
  vi.setSystemTime(new Date(2026, 2, 4, 5, 6, 7))
})
afterAll(() => vi.useRealTimers())

describe('published templates, as transformers renders them', () => {
  it('are all here', () => {
    expect(files.map((name) => name.replace('.jinja', '')).sort()).toEqual(Object.keys(expected).sort())
    expect(files.length).toBeGreaterThanOrEqual(40)
  })

  it.each(files)('%s', (file) => {
    const source = readFileSync(join(fixtures, 'chat-templates', file), 'utf8')
    for (const [name, wanted] of Object.entries(expected[file.replace('.jinja', '')] ?? {})) {
      const { messages, ...variables } = cases[name] ?? { messages: [] }
      const render = (): { text: string; spans: [number, number][] } =>
        renderConversation({ source }, messages as unknown as ChatMessage[], {
          ...special_tokens,
          ...variables,
        })
      if (wanted.text === undefined) {
        // A template's own refusal keeps its words; a fault of the template is told in ours.
        expect(render, name).toThrow(wanted.error === 'TemplateError' ? wanted.message : /./)
        continue
      }
      const rendered = render()
      expect(rendered.text, name).toBe(wanted.text)
      if (wanted.said)
        expect(
          rendered.spans.map(([a, b]) => rendered.text.slice(a, b)),
          name,
        ).toEqual(wanted.said)
    }
  })
})
