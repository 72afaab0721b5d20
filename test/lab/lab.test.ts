import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { chromium, type Browser, type BrowserContext, type Locator, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { root } from '../scripts/checkout'
import { findChromium } from './chromium'
import { LabPage } from './lab-page'
import { notebookOf, type Notebook } from './notebook'
import { LabServer, notebooks, python } from './server'
import { shortSteps, shortTutorial } from './tutorial'

const executablePath = findChromium()
const model = join(root, '.cache/models/SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf')
const files = [python, join(root, 'dist-kernel/main.js'), join(root, 'dist/index.js'), model]
const missing = executablePath ? files.find((file) => !existsSync(file)) : 'Chromium (on PATH or $CHROMIUM)'
const title = missing ? `[skipped: ${missing} not found]` : 'in headless Chromium'

const patience = 90_000 // for a state to come; a loaded machine of two cores

interface Plot {
  steps: number[]
  loss: number[]
}

/** What a living chart shows. */
const plotted = (plot: Locator): Promise<Plot> =>
  plot.evaluate((node) => {
    const [line] = (node as unknown as { data: { x: number[]; y: number[] }[] }).data
    return { steps: [...line!.x], loss: [...line!.y] }
  })

/** Waits until the chart has at least so many points. */
const points = async (page: Page, plot: Locator, count: number): Promise<Plot> => {
  await page.waitForFunction(
    ([node, wanted]) => ((node as unknown as { data: { x: number[] }[] }).data[0]?.x.length ?? 0) >= wanted, // empty before the first step
    [await plot.elementHandle(), count] as const,
  )
  return plotted(plot)
}

describe.skipIf(missing)(`JupyterLab ${title}`, () => {
  let server: LabServer
  let browser: Browser
  let context: BrowserContext
  let lab: LabPage

  const open = async (name: string, notebook: Notebook): Promise<void> => {
    context = await browser.newContext({ viewport: { width: 1280, height: 900 } })
    context.setDefaultTimeout(patience)
    lab = new LabPage(await context.newPage())
    await lab.open(server, name, notebook)
  }

  beforeAll(async () => {
    server = await LabServer.start()
    browser = await chromium.launch({ executablePath: executablePath! })
  }, 2 * patience)

  // The tests of one notebook build on each other.
  const broken = new Set<string>()
  beforeEach(({ task, skip }) =>
    skip(broken.has(task.suite!.name), 'an earlier test of this notebook failed'),
  )

  afterEach(async ({ task }) => {
    if (task.result?.state !== 'fail') return
    broken.add(task.suite!.name)
    await lab.screenshot(`failed ${task.name}`.replace(/\W+/g, '-'))
  })

  afterAll(async () => {
    await browser?.close()
    await server?.stop()
  }, patience)

  describe('the tutorial', { timeout: 3 * patience }, () => {
    const tutorial = shortTutorial()
    const at = (id: string): number => tutorial.cells.findIndex((cell) => cell.id === id)
    const plotOf = (id: string): Locator => lab.cell(at(id)).locator('.js-plotly-plot')
    let stopped: Plot

    beforeAll(() => open('tutorial', tutorial), 2 * patience)
    afterAll(() => context.close())

    it('runs by clicks, and its loss chart is seen to move: one plot that grows', async () => {
      for (let cell = 0; cell <= at('train'); cell++) await lab.click('run-cell-and-select-next')
      const plot = plotOf('train')
      await plot.waitFor()
      const first = await points(lab.page, plot, 2)
      const path = plot.locator('.scatterlayer .js-line').first()
      const drawn = await path.getAttribute('d')
      await plot.evaluate((node) => void (node.dataset['seen'] = 'before'))
      await lab.screenshot('chart-1')
      const second = await points(lab.page, plot, first.steps.length + 3)
      await lab.screenshot('chart-2')
      expect(second.loss.slice(0, first.loss.length)).toEqual(first.loss)
      expect(await path.getAttribute('d')).not.toBe(drawn)
      expect(await plot.getAttribute('data-seen')).toBe('before')
      expect(await lab.cell(at('train')).locator('.qlora-chart img').isVisible()).toBe(false)
    })

    it('stops training between two steps at the button', async () => {
      await lab.running(at('train'))
      await lab.click('interrupt-kernel')
      await lab.finished(at('train'))
      const steps = Number(/(\d+) steps, mean loss/.exec(await lab.output(at('train')))?.[1])
      expect(steps).toBeGreaterThan(3)
      expect(steps).toBeLessThan(shortSteps)
      stopped = await points(lab.page, plotOf('train'), steps)
      expect(stopped.steps).toHaveLength(steps)
      expect(await lab.cell(at('train')).locator('progress').count()).toBeGreaterThan(0)
      await lab.screenshot('stopped')
    })

    it('goes on at the next run, and comes to its end', async () => {
      await lab.select(at('train'))
      for (let cell = at('train'); cell <= at('reload'); cell++) {
        await lab.click('run-cell-and-select-next')
      }
      await lab.finished(at('reload'))
      expect(await lab.output(at('reload'))).toContain('the same answer as before saving: true')
      await lab.select(at('train'))
      expect(await lab.output(at('train'))).toContain(`${shortSteps} steps, mean loss`)
      await lab.select(at('plot'))
      const whole = await plotted(plotOf('plot'))
      expect(whole.steps).toEqual(Array.from({ length: shortSteps }, (_, step) => step + 1))
      expect(whole.loss.slice(0, stopped.loss.length)).toEqual(stopped.loss)
      await lab.screenshot('plot')
    })

    it('reopened without trust, shows its charts as pictures and runs no script', async () => {
      await lab.save()
      const kept = JSON.parse(readFileSync(join(notebooks, 'tutorial.ipynb'), 'utf8')) as Notebook
      await context.close()
      kept.metadata['changed'] = 'so that the signature of the outputs is another' // and trust is lost
      await open('untrusted', kept)
      for (const id of ['train', 'plot']) {
        const image = lab.cell(at(id)).locator('.jp-OutputArea-output img').first()
        for (let turn = 0; turn < 50 && !(await image.isVisible()); turn++) {
          await lab.page.keyboard.press('PageDown')
        }
        await image.scrollIntoViewIfNeeded()
        const [width, source] = await image.evaluate((node) => {
          const { naturalWidth, currentSrc } = node as unknown as { naturalWidth: number; currentSrc: string }
          return [naturalWidth, currentSrc] as const
        })
        expect(width).toBeGreaterThan(500)
        expect(source).toMatch(/^data:image\//)
        await lab.screenshot(`untrusted-${id}`)
      }
      expect(await lab.page.locator('.js-plotly-plot, .jp-OutputArea-output script').count()).toBe(0)
      expect(await lab.page.evaluate('typeof Plotly')).toBe('undefined')
    })
  })

  describe('a notebook', { timeout: 2 * patience }, () => {
    const cells = [
      'import { LoraConfig } from "qlora"\nconst peft = new LoraConfig({ r: 4 })',
      'peft.lora_',
      'let turns = 0\nconsole.log("turning")\nwhile (true) turns++',
      'turns > 0',
      'peft.r',
    ]

    beforeAll(() => open('small', notebookOf(cells)), 2 * patience)
    afterAll(() => context.close())

    it('runs by Shift-Enter', async () => {
      await lab.select(0)
      await lab.page.keyboard.press('Shift+Enter')
      expect(await lab.finished(0)).toBe(1)
    })

    it('completes at Tab', async () => {
      await lab.cell(1).locator('.cm-content').click()
      await lab.page.keyboard.press('End')
      await lab.page.keyboard.press('Tab')
      const popup = lab.page.locator('.jp-Completer')
      await popup.getByText('lora_dropout').waitFor()
      expect(await popup.locator('.jp-Completer-item').allInnerTexts()).toEqual([
        'lora_alpha',
        'lora_dropout',
      ])
      await lab.screenshot('completion')
      await lab.page.keyboard.press('Enter')
      await popup.waitFor({ state: 'hidden' })
      expect(await lab.cell(1).locator('.cm-content').innerText()).toBe('peft.lora_alpha')
    })

    it('explains a name at Shift-Tab', async () => {
      await lab.page.keyboard.press('Shift+Tab')
      const tooltip = lab.page.locator('.jp-Tooltip')
      await tooltip.waitFor()
      expect(await tooltip.innerText()).toContain('lora_alpha: number')
      await lab.screenshot('tooltip')
      await lab.page.keyboard.press('Escape')
      await tooltip.waitFor({ state: 'hidden' })
    })

    it('is interrupted by the button, and its variables stay', async () => {
      await lab.select(2)
      await lab.click('run-cell-and-select-next')
      await lab.cell(2).locator('.jp-OutputArea-output', { hasText: 'turning' }).waitFor()
      await lab.click('interrupt-kernel')
      await lab.finished(2)
      expect(await lab.output(2)).toContain('KeyboardInterrupt')
      await lab.click('run-cell-and-select-next')
      await lab.finished(3)
      expect(await lab.output(3)).toBe('true')
      await lab.screenshot('interrupted')
    })

    it('restarts by the button: counts from 1, and names are gone', async () => {
      await lab.click('restart-kernel')
      await lab.page.locator('.jp-Dialog .jp-mod-accept').click()
      await lab.page.locator('.jp-Dialog').waitFor({ state: 'detached' })
      await lab.select(4)
      await lab.click('run-cell-and-select-next')
      expect(await lab.finished(4)).toBe(1)
      expect(await lab.output(4)).toContain(`Cannot find name 'peft'`)
      await lab.screenshot('restarted')
    })
  })

  describe('the debugger panel', { timeout: 2 * patience }, () => {
    const code = [
      'function scale(value: number): number {',
      '  const scaled = value * factor',
      '  return scaled',
      '}',
      '`${scale(14)}!`',
    ].join('\n')
    const line = (number: number): RegExp => new RegExp(`:${number}$`)
    const panel = (name: string): Locator => lab.page.locator(`.jp-DebuggerSidebar .jp-Debugger${name}`)
    const button = (name: string): Locator =>
      lab.page.locator(`.jp-DebuggerSidebar [data-command="debugger:${name}"]`)
    const frame = (): Locator => panel('CallstackFrame').first()

    beforeAll(() => open('debugged', notebookOf(['const factor: number = 3', code])), 2 * patience)
    afterAll(() => context.close())

    it('stops a cell at a breakpoint, and shows its variables', async () => {
      await lab.click('run-cell-and-select-next')
      await lab.finished(0)
      await lab.page.locator('.jp-NotebookPanel-toolbar .jp-DebuggerBugButton').click()
      // The first element of a gutter is the one that holds its width.
      await lab.cell(1).locator('.cm-breakpoint-gutter > .cm-gutterElement').nth(2).click()
      await panel('Breakpoint').filter({ hasText: '2' }).waitFor()
      await lab.click('run-cell-and-select-next')
      await frame()
        .filter({ hasText: 'scale' })
        .filter({ hasText: line(2) })
        .waitFor()
      await panel('Variables').getByText('value').waitFor()
      expect(await panel('Variables').innerText()).toMatch(/value[^a-z]*14/)
      await lab.running(1)
    })

    it('steps, and lets the cell go on to its end', async () => {
      await button('next').click()
      await frame()
        .filter({ hasText: line(3) })
        .waitFor()
      await panel('Variables').getByText('42').first().waitFor()
      await lab.screenshot('debugger')
      await button('continue').click()
      await lab.finished(1)
      expect(await lab.output(1)).toBe("'42!'")
    })
  })
})
