import { text as readAll } from 'node:stream/consumers'
import type { GenerateOptions } from '../generation/options'
import { stream } from '../generation/stream'
import type { OptionSet } from '../options/declaration'
import { parseOptions } from '../options/parse'
import { flag, textOrNull } from '../options/schemas'
import { generationSet, loadSet, readCommand } from './arguments'
import type { Terminal } from './chat'
import { loadModel } from './load-model'

const promptSet: OptionSet<{ prompt: string | null; chat: boolean }> = {
  owner: 'generate',
  options: {
    prompt: { schema: textOrNull, default: null, doc: 'What is answered; null: all of standard input.' },
    chat: {
      schema: flag,
      default: false,
      doc: "The prompt is a user's message, which the model's chat template renders; else it is continued as it is.",
    },
  },
  refused: {},
}

/** `qlora generate FOLDER --prompt TEXT`: writes the answer while it is generated. Default: 256 new tokens. */
export async function generateCommand(args: readonly string[], { input, output }: Terminal): Promise<number> {
  const { folder, given } = readCommand('qlora generate FOLDER [options]', args, [
    promptSet,
    generationSet,
    loadSet,
  ])
  const [asked, generation, loading] = given as [object, GenerateOptions, Record<string, unknown>]
  const { prompt, chat } = parseOptions(promptSet, asked)
  const question = prompt ?? (await readAll(input))
  const { model, tokenizer } = await loadModel(folder, loading)
  try {
    const base = 'base_model' in model ? model.base_model : model
    const own = base.generation_config
    const isLimited =
      typeof (own['max_new_tokens'] ?? own['max_length'] ?? generation.max_length) === 'number'
    const options = { ...(!isLimited && { max_new_tokens: 256 }), ...generation, tokenizer }
    const inputs = chat ? [{ role: 'user', content: question }] : question
    for await (const piece of stream(base, inputs, options)) output.write(piece)
    output.write('\n')
  } finally {
    model.dispose()
  }
  return 0
}
