import { SourceMap } from 'node:module'

/** For each line of the JavaScript the source's line, both from 1; 0 where there is none. */
export function lineTable(code: string, map: string): number[] {
  const found = new SourceMap(JSON.parse(map))
  return code.split('\n').map((line, index) => {
    // The last entry of the line: text that was put before a statement has none, and an earlier line's is found.
    const entry = found.findEntry(index, line.length) as { originalLine?: number; generatedLine?: number }
    return entry.originalLine === undefined || entry.generatedLine !== index ? 0 : entry.originalLine + 1
  })
}
