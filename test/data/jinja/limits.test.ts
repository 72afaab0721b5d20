import { describe, expect, it } from 'vitest'

import { type RenderLimits } from '../../../src/data/jinja/limits'
import { Template } from '../../../src/data/jinja/template'

const render = (source: string, variables: object = {}, limits?: RenderLimits): string =>
  new Template(source).render({ ...variables }, limits).text

describe('a rendering is bounded', () => {
  const loops = '{% for a in range(3000) %}'.repeat(3) + '{% endfor %}'.repeat(3)
  it.each([
    ['{{ range(1000000000) }}', 'Range too big'],
    ["{{ 'a' * 1000000000 }}", 'a text grew beyond 16777216 characters'],
    ["{{ 1000000000000 * 'a' }}", 'a text grew beyond'],
    ["{{ 'a' | center(1000000000) }}", 'a text grew beyond'],
    ["{{ 'a' | indent(1000000000, true) }}", 'a text grew beyond'],
    ['{{ [1] | tojson(indent=1000000000) }}', 'a text grew beyond'],
    ["{{ 'a'.ljust(1000000000) }}", 'a text grew beyond'],
    ["{{ '%1000000000d' % 1 }}", 'a text grew beyond'],
    ["{{ '{:1000000000}'.format(1) }}", 'a text grew beyond'],
    ["{{ ('a' * 10000).replace('a', 'b' * 10000) }}", 'a text grew beyond'],
    ["{{ ('a' * 10000) | replace('', 'b' * 10000) }}", 'a text grew beyond'],
    ["{{ (range(100000) | list) | join('b' * 10000) }}", 'a text grew beyond'],
    ["{{ ('b' * 10000).join(('a' * 10000) | list) }}", 'a text grew beyond'],
    ["{{ 'a\\tb'.expandtabs(1000000000) }}", 'a text grew beyond'],
    ["{{ '5'.zfill(1000000000) }}", 'a text grew beyond'],
    ["{% for i in range(30000) %}{{ 'a' * 1000 }}{% endfor %}", 'a text grew beyond'],
    ['{{ [1] * 1000000000 }}', 'a list grew beyond 1000000 entries'],
    ['{{ [1] | batch(1000000000, 0) | list }}', 'a list grew beyond'],
    ['{{ [1] | slice(1000000000) | list }}', 'a list grew beyond'],
    ['{{ 10 ** (10 ** 5) }}', 'an integer grew beyond 4096 bits'],
    [
      '{% set ns = namespace(x=3) %}{% for i in range(99) %}{% set ns.x = ns.x * ns.x %}{% endfor %}',
      'an integer grew',
    ],
    [
      "{% set ns = namespace(s='ab') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
      'a text',
    ],
    [
      "{% set ns = namespace(s='ab') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
      'a text',
    ],
    [
      '{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = ns.l + ns.l %}{% endfor %}',
      'a list',
    ],
    [
      '{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}',
      'grew beyond',
    ],
    [
      '{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l | tojson }}',
      'grew beyond',
    ],
    ['{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}', 'more than 200 calls inside one another'],
    ['{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}', 'more than 200 calls inside one another'],
  ])('%s', (source, message) => {
    // A smaller bound than the default where reaching it would take long.
    const limits = source.includes('[ns.l, ns.l]') ? { characters: 100_000 } : {}
    expect(() => render(source, {}, limits)).toThrow(message)
  })

  it('in steps and in time', () => {
    expect(() => render(loops, {}, { steps: 5000 })).toThrow('rendering took more than 5000 steps')
    expect(() => render(loops, {}, { milliseconds: 20 })).toThrow('rendering took longer than 20 ms')
    const deep =
      '{% set ns = namespace(a=[1], b=[1]) %}{% for i in range(60) %}{% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, ns.b] %}{% endfor %}'
    expect(() => render(`${deep}{{ ns.a == ns.b }}`, {}, { milliseconds: 50 })).toThrow('longer than 50 ms')
    expect(() => render(`${deep}{{ ns.a < ns.b }}`, {}, { milliseconds: 50 })).toThrow('longer than 50 ms')
  })

  it('in time also where one step has much to do', () => {
    const spaces =
      "{{ ('a' ~ ' ' * 8000000 ~ 'b').rstrip() | length }}{{ (' ' * 8000000 ~ 'b').split() | length }}"
    expect(render(spaces)).toBe('80000021')
    expect(render(`a${' '.repeat(200_000)}b{%- if true %}c{% endif %}`)).toBe(`a${' '.repeat(200_000)}bc`)
  })

  it('in depth, for templates and for data', () => {
    expect(() => render(`{{ ${'('.repeat(5000)}1${')'.repeat(5000)} }}`)).toThrow('levels of nesting')
    expect(() => render(`{{ ${'not '.repeat(5000)}1 }}`)).toThrow('levels of nesting')
    expect(() => render('{% if 1 %}'.repeat(5000) + '{% endif %}'.repeat(5000))).toThrow('levels of nesting')
    expect(() => render(`{{ 1${' + 1'.repeat(100_000)} }}`)).toThrow('nested too deeply')
    const circle: Record<string, unknown> = {}
    circle['self'] = circle
    expect(() => render('a', { circle })).toThrow('nested too deeply')
  })

  it('but leaves room for the longest conversations', () => {
    const messages = Array.from({ length: 20_000 }, () => ({ role: 'user', content: 'word '.repeat(40) }))
    const text = render('{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}{% endfor %}', {
      messages,
    })
    expect(text).toHaveLength(20_000 * (6 + 199))
  })
})
