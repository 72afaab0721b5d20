import { join } from 'node:path'
import type { Locator, Page } from 'playwright-core'
import { notebooks, screenshots, type LabServer } from './server'
import { writeNotebook, type Notebook } from './notebook'

/** A notebook in JupyterLab, as a person sees and handles it. */
export class LabPage {
  constructor(readonly page: Page) {}

  async open(server: LabServer, name: string, notebook: Notebook): Promise<void> {
    writeNotebook(join(notebooks, `${name}.ipynb`), notebook)
    // A workspace of its own: the default one would open the earlier tests' notebooks as well.
    await this.page.goto(`${server.url}lab/workspaces/${name}/tree/${name}.ipynb?token=${server.token}`)
    await this.page.locator('.jp-NotebookPanel .jp-Cell').first().waitFor()
    await this.idle()
  }

  /** The kernel is there and has nothing to do. */
  async idle(): Promise<void> {
    await this.page.locator('#jp-main-statusbar', { hasText: '| Idle' }).waitFor()
  }

  cell(index: number): Locator {
    return this.page.locator(`.jp-Cell[data-windowed-list-index="${index}"]`)
  }

  /** A button of the notebook's toolbar. */
  async click(command: 'run-cell-and-select-next' | 'interrupt-kernel' | 'restart-kernel'): Promise<void> {
    await this.page.locator(`.jp-NotebookPanel-toolbar [data-command="notebook:${command}"]`).click()
  }

  async select(index: number): Promise<void> {
    await this.cell(index).locator('.jp-InputPrompt').click()
  }

  /** Waits until the cell has run, and returns its execution count. */
  async finished(index: number): Promise<number> {
    const prompt = this.cell(index).locator('.jp-InputPrompt', { hasText: /\[\d+\]/ })
    await prompt.waitFor()
    return Number(/\d+/.exec(await prompt.innerText())![0])
  }

  async running(index: number): Promise<void> {
    await this.cell(index).locator('.jp-InputPrompt', { hasText: '[*]' }).waitFor()
  }

  /** The text of a cell's outputs. */
  async output(index: number): Promise<string> {
    return (await this.cell(index).locator('.jp-OutputArea-output').allInnerTexts()).join('\n').trim()
  }

  async save(): Promise<void> {
    await this.page.locator('.jp-NotebookPanel-toolbar [data-command="docmanager:save"]').click()
    await this.page.locator('.lm-DockPanel .lm-TabBar-tab.jp-mod-current:not(.jp-mod-dirty)').waitFor()
  }

  async screenshot(name: string): Promise<void> {
    await this.page.screenshot({ path: join(screenshots, `${name}.png`) })
  }
}
