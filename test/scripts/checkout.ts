import { execFileSync, spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'

export const root: string = resolve(__dirname, '../..')

/** A temporary checkout that holds only scripts/ and the given files: the scripts take their root from where they lie. */
export class Checkout {
  readonly root = mkdtempSync(join(tmpdir(), 'qlora-scripts-'))

  constructor(files: Record<string, unknown> = {}) {
    cpSync(join(root, 'scripts'), join(this.root, 'scripts'), { recursive: true })
    for (const [path, content] of Object.entries(files)) this.write(path, content)
  }

  write(path: string, content: unknown): void {
    const file = join(this.root, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
  }

  /** The JSON value of an expression over a module of this checkout's scripts. */
  evaluate(module: string, expression: string): unknown {
    const code = `import * as m from './scripts/${module}'; console.log(JSON.stringify(${expression}))`
    return JSON.parse(
      execFileSync(process.execPath, ['--input-type=module', '-e', code], {
        cwd: this.root,
        encoding: 'utf8',
      }),
    )
  }

  run(script: string, args: string[] = [], env: NodeJS.ProcessEnv = process.env): SpawnSyncReturns<string> {
    return spawnSync(process.execPath, [`scripts/${script}`, ...args], {
      cwd: this.root,
      encoding: 'utf8',
      env,
    })
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true })
  }
}
