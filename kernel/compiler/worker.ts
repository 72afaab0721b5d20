/** The TypeScript thread: converts, completes, inspects. */
import { parentPort, workerData } from 'node:worker_threads'
import { completeness } from './completeness'
import { Converter } from './converter'
import type { Declaration } from './declaration-list'
import type { CompilerReply, CompilerRequest } from './messages'
import { keepCompiled } from './typescript'

const converter = new Converter(process.cwd(), workerData as readonly Declaration[])

function answer(request: CompilerRequest): CompilerReply['result'] | void {
  switch (request.type) {
    case 'convert':
      return converter.convert(request.code)
    case 'inspect':
      return converter.inspect(request.code, request.position)
    case 'is_complete':
      return completeness(request.code)
    case 'complete':
      return converter.complete(request.code, request.position)
    case 'forget':
      return converter.forget()
  }
}

parentPort!.on('message', (request: CompilerRequest) => {
  let reply: CompilerReply
  try {
    reply = { sequence: request.sequence, result: answer(request) as CompilerReply['result'] }
  } catch (error) {
    reply = { sequence: request.sequence, error: error instanceof Error ? error.message : String(error) }
  }
  parentPort!.postMessage(reply)
})

/**
 * Conversions are slow until V8 has compiled the code that they use. No request waits for these; requests are
 * answered between them.
 */
function warm(turns: number): void {
  converter.warm()
  if (turns > 1) setImmediate(warm, turns - 1)
  else keepCompiled()
}
warm(5)
