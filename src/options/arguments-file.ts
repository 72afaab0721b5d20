import { parse as parseYaml } from 'yaml'

import { parseJsonObject } from '../files/json'
import { readTextFile } from '../files/text'
import { show } from './parse'

/**
 * The object in a file of arguments.
 * @throws Error naming the file when it contains anything else.
 */
export async function readArgumentsFile(
  path: string,
  format: 'JSON' | 'YAML',
): Promise<Record<string, unknown>> {
  const text = await readTextFile(path)
  if (format === 'JSON') return parseJsonObject(path, text)
  let args: unknown
  try {
    args = parseYaml(text)
  } catch (error) {
    throw new TypeError(`${path}: not YAML (${(error as Error).message})`, { cause: error })
  }
  if (typeof args !== 'object' || args === null || Array.isArray(args))
    throw new TypeError(`${path}: got ${show(args)}, needs an object of options`)
  return args as Record<string, unknown>
}
