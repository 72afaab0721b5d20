import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

/** Of this library and of Node.js. */
export function versions(): Record<string, string> {
  const { version } = JSON.parse(readFileSync(resolve(__dirname, '../../package.json'), 'utf8')) as {
    version: string
  }
  return { qlora: version, 'Node.js': process.versions.node }
}
