import type { ServeOptions } from '../serving/serve'
import { serveOptionSet } from '../serving/options'
import { serve } from '../serving/serve'
import { basename, resolve } from 'node:path'
import { loadSet, readCommand } from './arguments'
import type { Terminal } from './chat'
import { loadModel } from './load-model'

/** `qlora serve FOLDER`: OpenAI's routes until SIGINT or SIGTERM. */
export async function serveCommand(args: readonly string[], { output }: Terminal): Promise<number> {
  const { folder, given } = readCommand('qlora serve FOLDER [options]', args, [serveOptionSet, loadSet])
  const [options, loading] = given as [ServeOptions, Record<string, unknown>]
  const { model, tokenizer } = await loadModel(folder, loading)
  try {
    const served_model_name = options.served_model_name ?? basename(resolve(folder))
    const server = await serve(model, tokenizer, { ...options, served_model_name })
    output.write(`${served_model_name} answers at ${server.url}\n`)
    await new Promise<void>((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
    })
    await server.close()
  } finally {
    model.dispose()
  }
  return 0
}
