import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

/** The output of a command, without the final line break; undefined if it does not exist or fails. */
export async function answer(command: string, args: string[]): Promise<string | undefined> {
  try {
    return (await promisify(execFile)(command, args, { timeout: 20_000 })).stdout.trim()
  } catch {
    return undefined
  }
}

/** The first folder of the list that contains a file, and all searched folders. PATH's folders come last. */
export function findTool(
  name: string,
  folders: (string | undefined)[],
): { file: string | undefined; searched: string } {
  const first = folders.filter((folder) => folder !== undefined)
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '')
  const file = [...first, ...path].map((folder) => join(folder, name)).find((place) => existsSync(place))
  return { file, searched: [...first, 'PATH'].join(', ') }
}
