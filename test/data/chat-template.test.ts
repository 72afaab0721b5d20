import { describe, expect, it } from 'vitest'

import { renderAssistantSpans, renderChatTemplate } from '../../src/data/chat-template'
import { tinyTokenizer } from './tiny'

const conversation = [
  { role: 'user', content: 'Hi' },
  { role: 'assistant', content: 'Yo' },
  { role: 'user', content: 'More' },
  { role: 'assistant', content: 'No' },
]

const rendered = (source: string, variables: Record<string, unknown>): string =>
  renderChatTemplate({ source }, variables).text

const said = ({ text, spans }: { text: string; spans: [number, number][] }): string[] =>
  spans.map(([a, b]) => text.slice(a, b))

describe('rendering', () => {
  it('trims blocks as transformers does', () => {
    const template =
      '{% for m in messages %}\n    {% if true %}\n{{ m.content }}\n    {% endif %}\n{% endfor %}'
    expect(rendered(template, { messages: conversation.slice(0, 2) })).toBe('Hi\nYo\n')
  })

  it('knows strftime_now and raise_exception', () => {
    expect(rendered("{{ strftime_now('%Y') }}", {})).toBe(String(new Date().getFullYear()))
    expect(() => rendered("{{ raise_exception('roles must alternate') }}", {})).toThrow(
      '[apply_chat_template] the chat template failed: roles must alternate',
    )
    expect(() => rendered('{% if %}', {})).toThrow('the chat template failed')
  })

  it('gives the template the special tokens, tools, and variables that it mentions', async () => {
    const tokenizer = await tinyTokenizer()
    const chat_template =
      '{{ bos_token }}{% if tools is not none %}{{ tools[0].name }}{% endif %}{% if think %}T{% endif %}'
    const render = (options: object): Promise<string> =>
      tokenizer.apply_chat_template(conversation, { tokenize: false, chat_template, ...options })
    expect(await render({})).toBe('<s>')
    expect(await render({ tools: [{ name: 'f' }], think: true })).toBe('<s>fT')
    await expect(render({ add_generation_promt: true })).rejects.toThrow(
      "Did you mean 'add_generation_prompt'?",
    )
  })

  it('encodes without a second begin token', async () => {
    const tokenizer = await tinyTokenizer()
    const { input_ids, attention_mask } = await tokenizer.apply_chat_template([
      { role: 'user', content: 'hello' },
    ])
    expect(await tokenizer.decode(input_ids)).toBe('<s>user:hello<|end|>\n')
    expect(attention_mask).toEqual(input_ids.map(() => 1))
  })

  it('says that there is no template', async () => {
    const tokenizer = await tinyTokenizer({ chat_template: null })
    await expect(tokenizer.apply_chat_template(conversation)).rejects.toThrow('has no chat template')
  })
})

describe('what the assistant said', () => {
  it('is found by rendering prefixes', async () => {
    const spans = (await tinyTokenizer()).assistant_spans(conversation)
    expect(said(spans)).toEqual(['Yo<|end|>\n', 'No<|end|>\n'])
  })

  it('is found where the template opens no turn', () => {
    const template = "{% for m in messages %}{{ '[' + m.content + ']' }}{% endfor %}"
    expect(said(renderAssistantSpans({ source: template }, conversation, {}))).toEqual(['[Yo]', '[No]'])
    expect(said(renderAssistantSpans({ source: template }, conversation.slice(1), {}))).toEqual([
      '[Yo]',
      '[No]',
    ])
  })

  it('is what generation blocks hold, and the blocks leave no trace in the text', () => {
    const plain =
      "{% for m in messages %}\n{{- m.role }}: {% if m.role == 'assistant' %}\n  G1\n  {{- m.content }}.\n  G2\n{%- endif %}\n{% endfor %}"
    const template = (begin: string, end: string): string => plain.replace('G1', begin).replace('G2', end)
    const bare = rendered(template('{% if true %}', '{% endif %}'), { messages: conversation })
    const spans = renderAssistantSpans(
      { source: template('{% generation %}', '{% endgeneration %}') },
      conversation,
      {},
    )
    expect(spans.text).toBe(bare)
    expect(said(spans)).toEqual(['Yo.\n', 'No.\n'])
    const tight = renderAssistantSpans(
      { source: template('{%- generation -%}', '{%- endgeneration -%}') },
      conversation,
      {},
    )
    expect(said(tight)).toEqual(['Yo.', 'No.'])
  })

  it('is not guessed where earlier turns change when more follow', () => {
    const template = '{{ messages | length }}{% for m in messages %}{{ m.content }}{% endfor %}'
    expect(() => renderAssistantSpans({ source: template }, conversation, {})).toThrow(
      'message 1 (assistant) cannot be located',
    )
  })
})
