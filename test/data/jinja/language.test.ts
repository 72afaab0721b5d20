import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

import { Template } from '../../../src/data/jinja/template'

interface Fixture {
  variables: Record<string, unknown>
  cases: { template: string; text?: string; error?: string; message?: string }[]
}
const path = join(__dirname, '../fixtures/jinja-expected.json')
const { variables, cases } = JSON.parse(readFileSync(path, 'utf8')) as Fixture

describe('small templates, as jinja2 in transformers renders them', () => {
  it.each(cases)('$template', ({ template, text, error, message }) => {
    const render = (): string => new Template(template).render(variables).text
    if (text !== undefined) expect(render()).toBe(text)
    else expect(render).toThrow(error === 'TemplateError' ? message : /./)
  })
})
