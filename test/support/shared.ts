import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'

const root = resolve(__dirname, '../..')

/** Data and weights that cannot live in the repository: `$QLORA_SHARED`, else a folder `shared` beside the checkout. */
export const sharedDir: string = process.env['QLORA_SHARED'] ?? resolve(root, '../shared')

/** Path of a file or folder under the shared folder, or undefined when it is absent. */
export function sharedPath(...parts: string[]): string | undefined {
  const path = join(sharedDir, ...parts)
  return existsSync(path) ? path : undefined
}

/** Title for a test that may be skipped: names the missing thing. Use: `it.skipIf(!dir)(titled('reads rows', dir, 'data/instruct'), ...)`. */
export function titled(title: string, found: unknown, needs: string): string {
  return found ? title : `${title} [skipped: ${needs} not found]`
}

/** A golden file copied into the repository, see test/parity/golden/README.md. */
export function golden(...parts: string[]): string {
  return join(root, 'test/parity/golden', ...parts)
}
