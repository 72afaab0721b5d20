import { expect, it } from 'vitest'

import { PythonRegex } from '../../src/peft/regex'
import { matchTargets, rankFor } from '../../src/peft/targets'
import { LoraConfig } from '../../src/peft/config'
import golden from './golden/python-re.json'

const groupsOf = (pattern: string, text: string): Record<string, string> | null =>
  new PythonRegex(pattern).match(text) ?? null

it.each(golden.cases)("matches as Python's re: $pattern", ({ pattern, fullmatch, match }) => {
  const regex = new PythonRegex(pattern)
  expect(golden.names.map((name) => regex.fullmatch(name))).toEqual(fullmatch)
  expect(golden.names.map((name) => groupsOf(pattern, name))).toEqual(match)
})

it.each(golden.bad)('refuses what Python refuses: %s', (pattern) => {
  expect(() => new PythonRegex(pattern)).toThrow()
})

it.each([
  ['(a)\\1', 'references to groups are not supported'],
  ['(?P<x>a)(?P=x)', "'(?P=' is not supported"],
  ['a*+', 'possessive repetition is not supported'],
  ['(?>a)', "'(?>a' is not supported"],
  ['a{6000}', 'too large'],
  ['((){5000}){5000}', 'too large'],
  ['((a{100}){100}){100}', 'too large'],
  ['('.repeat(5000), 'groups nested deeper than 100'],
])('says why it refuses %.20s', (pattern, message) => {
  expect(() => new PythonRegex(pattern)).toThrow(message)
})

it.each([
  '^(([a-z_.0-9])+)+!$',
  '(.*a){30}x|(([a-z_.0-9]+)+)+$!',
  '(a*)*b',
  '(?=(a+)+$)(a|aa)+!',
  '(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)!',
  '(?:(?=(?:a*)*b)a)*b',
])('takes no long time for %s', (pattern) => {
  const regex = new PythonRegex(pattern)
  for (let i = 0; i < 20; i++)
    expect(regex.fullmatch('model.layers.0.self_attn.q_proj' + 'a'.repeat(100))).toBe(false)
})

it('is what the patterns of a LoraConfig are', () => {
  const names = ['model.layers.0.self_attn.q_proj', 'model.vision.layers.0.self_attn.q_proj']
  const match = (target_modules: string): string[] => matchTargets(names, new LoraConfig({ target_modules }))
  expect(match('^(?!.*vision).*q_proj$')).toEqual([names[0]])
  expect(match('(?i).*VISION.*')).toEqual([names[1]])
  expect(() => match('(')).toThrow(
    "[LoraConfig] target_modules: '(' is not a regular expression that can be used",
  )
  const config = new LoraConfig({ rank_pattern: { '(([a-z_.0-9])+)+!': 4, '.*vision.*': 2 }, r: 8 })
  expect(names.map((name) => rankFor(name, config))).toEqual([8, 2])
})
