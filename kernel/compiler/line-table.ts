import { SourceMap } from 'node:module'

/** The source line of each line of the JavaScript, both counted from 1; 0 if there is none. */
export function lineTable(code: string, map: string): number[] {
  const found = new SourceMap(JSON.parse(map))
  return code.split('\n').map((line, index) => {
    // The last entry of the line: text that was inserted before a statement has no entry of its own.
    const entry = found.findEntry(index, line.length) as { originalLine?: number; generatedLine?: number }
    return entry.originalLine === undefined || entry.generatedLine !== index ? 0 : entry.originalLine + 1
  })
}
