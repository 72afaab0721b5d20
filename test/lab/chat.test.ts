import { existsSync, readFileSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { chromium, type Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { root } from '../scripts/checkout'
import { golden } from '../support/shared'
import { findChromium } from './chromium'
import { LabPage } from './lab-page'
import { notebookOf, type Notebook } from './notebook'
import { LabServer, notebooks, python } from './server'

const executablePath = findChromium()
const files = [python, join(root, 'dist-kernel/main.js'), join(root, 'dist/index.js')]
const missing = executablePath ? files.find((file) => !existsSync(file)) : 'Chromium (on PATH or $CHROMIUM)'
const title = missing ? `[skipped: ${missing} not found]` : 'in JupyterLab'
const patience = 90_000

const source = `import { AutoModelForCausalLM, AutoTokenizer, chat } from 'qlora'
const model = await AutoModelForCausalLM.from_pretrained('./tiny')
const tokenizer = await AutoTokenizer.from_pretrained('./tiny')
const slow = (ids: readonly number[], scores: Float32Array) => {
  for (const end = Date.now() + 40; Date.now() < end; );
  return scores
}
const panel = await chat(model, tokenizer, { max_new_tokens: 200, eos_token_id: [], logits_processor: [slow] })`

describe.skipIf(missing)(`a panel to talk to a model ${title}`, { timeout: 4 * patience }, () => {
  let server: LabServer
  let browser: Browser

  beforeAll(async () => {
    server = await LabServer.start()
    browser = await chromium.launch({ executablePath: executablePath! })
    await cp(golden('tiny-llama'), join(notebooks, 'tiny'), { recursive: true })
    for (const name of ['tokenizer.json', 'tokenizer_config.json'])
      await cp(golden('preference', name), join(notebooks, 'tiny', name))
  }, 2 * patience)

  afterAll(async () => {
    await browser?.close()
    await server?.stop()
  }, patience)

  it('a text is sent with Enter, its answer grows, Stop keeps it, and the file has it', async () => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } })
    context.setDefaultTimeout(patience)
    const lab = new LabPage(await context.newPage())
    await lab.open(server, 'chat', notebookOf([source]))
    await lab.select(0)
    await lab.click('run-cell-and-select-next')
    await lab.finished(0)
    const field = lab.cell(0).locator('.qlora-chat textarea')
    await field.waitFor()
    await field.fill('hello <b>you</b>')
    await field.press('Enter')
    const stop = lab.cell(0).locator('.qlora-chat button[data-act="stop"]:enabled')
    await stop.waitFor()
    await lab.page.waitForFunction(() => /Model\n?.{5}/s.test(document.body.innerText))
    await stop.click()
    await lab.cell(0).locator('.qlora-chat button[data-act="say"]:enabled').waitFor()
    await lab.screenshot('chat')
    const shown = await lab.output(0)
    expect(shown).toContain('hello <b>you</b>')
    await lab.save()
    const saved = JSON.parse(readFileSync(join(notebooks, 'chat.ipynb'), 'utf8')) as Notebook
    const [transcript, input] = saved.cells[0]!.outputs.map(({ data }) => data!)
    const text = [transcript!['text/plain']].flat().join('')
    expect(text).toMatch(/^You: hello <b>you<\/b>\nModel: ./)
    expect([transcript!['text/html']].flat().join('')).toContain('hello &lt;b&gt;you&lt;/b&gt;')
    expect([input!['text/html']].flat().join('')).toContain(' hidden>')
    await context.close()
  })

  it('of the file alone, without a kernel, the talk is seen and the field is not', async () => {
    const page = await browser.newPage()
    const saved = JSON.parse(readFileSync(join(notebooks, 'chat.ipynb'), 'utf8')) as Notebook
    const html = saved.cells[0]!.outputs.map(({ data }) => [data!['text/html']].flat().join('')).join('')
    await page.setContent(html)
    expect(await page.locator('body').innerText()).toContain('hello <b>you</b>')
    expect(await page.locator('textarea').isVisible()).toBe(false)
    await page.close()
  })
})
