/** The TypeScript thread: converts, completes, inspects; keeps what the cells so far have declared. */
import { parentPort } from 'node:worker_threads'
import type * as Inspect from 'tslab/dist/inspect'
import { completeness, hasForAwait, syntaxErrors, type Finding } from './completeness'
import { interruptible } from './interruptible'
import { lineTable } from './line-table'
import { prepare } from './prepare'
import type { CompilerRequest, CompilerReply, Compiled, Completion, Inspection } from './messages'
import { loadConverter, takeMaps, tslabRequire } from './typescript'
import { parameters } from '../runner/parameters'

const { createConverter, isCompleteCode } = loadConverter()
const { printQuickInfo } = tslabRequire('./dist/inspect.js') as typeof Inspect
const converter = createConverter({})
let declared = 'declare function prompt(message?: string, fallback?: string): string | null;\n'

function describe(found: Finding, code: string): string {
  const place = `${found.fileName ? `${found.fileName}:` : ''}${found.start.line + 1}:${found.start.character + 1}`
  const source = found.fileName === undefined ? code.split('\n')[found.start.line] : undefined
  const text = `${place} - ${found.messageText}`
  if (source === undefined) return text
  const length = found.end.line === found.start.line ? found.end.character - found.start.character : 1
  return `${text}\n    ${source}\n    ${' '.repeat(found.start.character)}${'~'.repeat(Math.max(1, length))}`
}

function refused(findings: readonly Finding[], code: string): Compiled {
  const described = findings.map((found) => describe(found, code))
  return { ok: false, message: findings[0]!.messageText, diagnostics: [...new Set(described)] }
}

function convert(code: string): Compiled {
  const broken = syntaxErrors(code)
  if (broken.length > 0) return refused(broken, code)
  const prepared = prepare(code)
  const result = converter.convert(declared, prepared.code)
  if (result.diagnostics.length > 0) {
    const place = (found: Finding): Finding =>
      found.fileName === undefined
        ? { ...found, start: prepared.original(found.start), end: prepared.original(found.end) }
        : found
    return refused(result.diagnostics.map(place), code)
  }
  declared = result.declOutput ?? declared
  const output = result.output ?? ''
  // On the first line, so that lines stay; its columns are off by the parameters.
  const asynchronous = result.hasToplevelAwait === true || hasForAwait(code) ? 'async ' : ''
  const wrapped = `(${asynchronous}function(${parameters.join(', ')}) { ${output}\n})`
  return {
    ok: true,
    code: interruptible(wrapped),
    lines: lineTable(output, takeMaps(output)),
    lastExpression: result.lastExpressionVar,
    sideOutputs: (result.sideOutputs ?? []).map(({ path, data }) => ({
      path,
      data: interruptibleModule(data),
    })),
  }
}

/** A helper file's loops and awaits stop as the cells' do. */
const interruptibleModule = (code: string): string =>
  interruptible(code).replace(/^/, 'const __q=globalThis.__tslab__.q;')

function inspect(code: string, position: number): Inspection {
  const info = converter.inspect(declared, code, position)
  return info ? { found: true, text: printQuickInfo(info) } : { found: false, text: '' }
}

/** The converter also gives names that only contain what was typed: they stay where no name starts with it. */
function complete(code: string, position: number): Completion {
  const { start, end, candidates } = converter.complete(declared, code, position)
  const typed = code.slice(start, position).toLowerCase()
  const matching = candidates.filter((name) => name.toLowerCase().startsWith(typed))
  return { start, end, candidates: matching.length > 0 ? matching : candidates }
}

function answer(request: CompilerRequest): CompilerReply['result'] {
  switch (request.type) {
    case 'convert':
      return convert(request.code)
    case 'inspect':
      return inspect(request.code, request.position)
    case 'is_complete':
      return completeness(request.code, isCompleteCode)
    case 'complete':
      return complete(request.code, request.position)
  }
}

parentPort!.on('message', (request: CompilerRequest) => {
  let reply: CompilerReply
  try {
    reply = { sequence: request.sequence, result: answer(request) }
  } catch (error) {
    reply = { sequence: request.sequence, error: error instanceof Error ? error.message : String(error) }
  }
  parentPort!.postMessage(reply)
})

// The first conversion is slow; nobody waits for this one.
converter.convert(declared, 'const warm: number = 1\nwarm')
