import { describe, expect, it } from 'vitest'
import '../../src/generation/mixin'
import { AutoTokenizer } from '../../src/data/auto-tokenizer'
import { inputBundle, transcriptBundle } from '../../src/display/chat-panel'
import { chat } from '../../src/serving/chat'
import { load } from '../export/support'
import { tinyFolder } from '../scripts/tiny-folder'

describe('the forms of a talk', () => {
  const turns = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'a < b & "c"' },
    { role: 'assistant', content: 'yes\nno', growing: true },
  ]

  it('as text and as HTML, escaped', () => {
    const { 'text/plain': text, 'text/html': html } = transcriptBundle(turns)
    expect(text).toBe('System: Be brief.\nYou: a < b & "c"\nModel: yes\nno')
    expect(html).toContain('a &lt; b &amp; &quot;c&quot;')
    expect(String(html).match(/▍/g)).toHaveLength(1)
    expect(transcriptBundle([])['text/plain']).toBe('(nothing said yet)')
    const failed = transcriptBundle(turns.slice(0, 1), 'too <long>')
    expect(failed['text/plain']).toBe('System: Be brief.\ntoo <long>')
    expect(failed['text/html']).toContain('too &lt;long&gt;')
  })

  it("the field's script is whole in itself, and leaves the field hidden where there is no Jupyter", () => {
    const html = String(inputBundle('p-1', 'k-1')['text/html'])
    const [, script] = /<script>(.*)<\/script>$/s.exec(html)!
    const root = { hidden: true }
    const found: string[] = []
    const getElementById = (id: string): object | null => {
      found.push(id)
      return id === 'qlora-chat-p-1' ? root : null
    }
    new Function('globalThis', script!)({ document: { getElementById } })
    expect(found).toEqual(['qlora-chat-p-1', 'jupyter-config-data'])
    expect(root.hidden).toBe(true)
    expect(html).toContain('"p-1","k-1","qlora.chat"')
  })
})

describe('chat outside of a notebook', () => {
  it('says in turn, prints, and keeps what was said', async () => {
    const folder = await tinyFolder()
    const model = await load(folder)
    const tokenizer = await AutoTokenizer.from_pretrained(folder)
    const panel = await chat(model, tokenizer, { max_new_tokens: 4, eos_token_id: [], system: 'S' })
    const answers = await Promise.all([panel.say('one'), panel.say('two')])
    const said = panel.conversation.messages.map(({ content }) => content)
    expect(said).toEqual(['S', 'one', answers[0], 'two', answers[1]])
    await panel.reset()
    expect(panel.conversation.messages).toEqual([{ role: 'system', content: 'S' }])
    expect(await panel.say('one')).toBe(answers[0])
    panel.dispose()
  })

  it('a wrong option and a tokenizer without a template are refused', async () => {
    const folder = await tinyFolder()
    const model = await load(folder)
    const tokenizer = await AutoTokenizer.from_pretrained(folder)
    await expect(chat(model, tokenizer, { temperatur: 1 } as never)).rejects.toThrow(
      "unknown option 'temperatur'. Did you mean 'temperature'?",
    )
    tokenizer.chat_template = null
    await expect(chat(model, tokenizer)).rejects.toThrow('the tokenizer has no chat template')
  })
})
