import type * as TypeScript from 'typescript'
import { hintFor } from './hints'
import type { Compiled } from './messages'
import { ts } from './typescript'

/** The cell's errors as the kernel reports them: place, message, and the line with the wrong part underlined. */
export function refused(
  diagnostics: readonly TypeScript.Diagnostic[],
  cell: string,
  folder: string,
): Compiled {
  const [first] = diagnostics
  const message = ts.flattenDiagnosticMessageText(first!.messageText, '\n').split('\n')[0]!
  const hint = hintFor(lineOf(first!, cell), message)
  const told = diagnostics.map((found) => describe(found, cell, folder))
  return {
    ok: false,
    message: hint === undefined ? message : `${message} ${hint}`,
    diagnostics: [...new Set(told), ...(hint === undefined ? [] : [hint])],
  }
}

function describe(
  { file, start = 0, length = 0, messageText }: TypeScript.Diagnostic,
  cell: string,
  folder: string,
): string {
  const message = ts.flattenDiagnosticMessageText(messageText, '\n')
  if (!file) return message
  // Text that was added after the cell is not part of it.
  const end = isCell(file) ? cell.length : file.text.length
  const from = file.getLineAndCharacterOfPosition(Math.min(start, end))
  const to = file.getLineAndCharacterOfPosition(Math.min(start + length, end))
  const place = `${from.line + 1}:${from.character + 1} - ${message}`
  if (!isCell(file)) return `${relative(folder, file.fileName)}:${place}`
  const width = to.line === from.line ? to.character - from.character : 1
  const underline = ' '.repeat(from.character) + '~'.repeat(Math.max(1, width))
  return `${place}\n    ${cell.split('\n')[from.line]}\n    ${underline}`
}

function relative(folder: string, name: string): string {
  const at = folder.replaceAll('\\', '/').replace(/\/$/, '') + '/'
  return name.startsWith(at) ? name.slice(at.length) : name
}

/** The cell's line that contains an error; empty for an error in another file. */
function lineOf({ file, start = 0 }: TypeScript.Diagnostic, cell: string): string {
  if (!file || !isCell(file)) return ''
  const { line } = file.getLineAndCharacterOfPosition(Math.min(start, cell.length))
  return cell.split('\n')[line] ?? ''
}

const isCell = ({ fileName }: TypeScript.SourceFile): boolean => /\/__cell__\d*\.ts$/.test(fileName)
