import { statSync } from 'node:fs'
import type * as TypeScript from 'typescript'
import { ts } from './typescript'

interface Known {
  file: TypeScript.SourceFile | undefined
  stamp: string
}

/** The source files; each is parsed once until it changes on disk. */
export class Documents {
  private readonly known = new Map<string, Known>()

  get(name: string, options: TypeScript.CreateSourceFileOptions): TypeScript.SourceFile | undefined {
    let known = this.known.get(name)
    if (!known) {
      const text = ts.sys.readFile(name)
      const file =
        text === undefined
          ? undefined
          : ts.createSourceFile(name, isDeclaration(name) ? withoutDocs(text) : text, options)
      this.known.set(name, (known = { file, stamp: stamp(name) }))
    }
    return known.file
  }

  /** Drops files that have changed on disk; returns whether there were any. */
  refresh(which: 'helpers' | 'all'): boolean {
    const before = this.known.size
    for (const [name, known] of this.known) {
      if (which === 'helpers' && isDeclaration(name)) continue
      if (stamp(name) !== known.stamp) this.known.delete(name)
    }
    return this.known.size < before
  }
}

const isDeclaration = (name: string): boolean => /\.d\.[cm]?ts$/.test(name)

function stamp(name: string): string {
  const found = statSync(name, { throwIfNoEntry: false })
  return found ? `${found.mtimeMs} ${found.size}` : ''
}

/**
 * Doc comments are a third of the time and a tenth of the memory of parsing Node's declarations, and only
 * inspection reads them. Positions do not change, so `docs.ts` can find them. Comments with `@deprecated` are
 * kept: completion puts such names last.
 */
const withoutDocs = (text: string): string =>
  text.replace(/\/\*\*(?!\/)[^]*?\*\//g, (comment) =>
    comment.includes('@deprecated') ? comment : `/* ${comment.slice(3)}`,
  )
