import { SourceMap } from 'node:module'

interface Entry {
  originalLine?: number
  originalColumn?: number
}

/** For each line of a cell's JavaScript the cell's line, both from 1; 0 where there is none. */
export function lineTable(code: string, maps: [string, string] | undefined): number[] {
  if (!maps) return []
  const [toModule, toCell] = maps.map((text) => new SourceMap(JSON.parse(text)))
  return code.split('\n').map((line, index) => {
    // The last entry of the line: text that the converter put before a statement has none, and an earlier line's is found.
    const module = toModule!.findEntry(index, line.length) as Entry
    if (module.originalLine === undefined) return 0
    const cell = toCell!.findEntry(module.originalLine, module.originalColumn ?? 0) as Entry
    // The converter puts one line before the cell, so its line from 0 is the cell's from 1.
    return cell.originalLine ?? 0
  })
}
