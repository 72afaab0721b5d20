import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { chromium } from 'playwright-core'

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome']
const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '')

/** `$CHROMIUM`, else the first Chromium on PATH, else the one that `npx playwright install chromium` has put into its cache. */
export function findChromium(): string | undefined {
  const given = process.env['CHROMIUM']
  if (given) return existsSync(given) ? given : undefined
  const onPath = folders.flatMap((folder) => names.map((name) => join(folder, name)))
  return [...onPath, chromium.executablePath()].find((file) => existsSync(file))
}
