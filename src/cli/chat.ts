import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { messageOf } from '../files/atomic'
import { Conversation, type ConversationOptions } from '../generation/conversation'
import type { OptionSet } from '../options/declaration'
import { textOrNull } from '../options/schemas'
import { generationSet, loadSet, readCommand } from './arguments'
import { loadModel } from './load-model'

/** The streams that a command reads and writes. */
export interface Terminal {
  input: Readable
  output: Writable
}

const help = `/reset   start a new conversation
/exit    leave (also Ctrl-D)
Ctrl-C   ends the answer that is being made; at the prompt it leaves`

const chatSet: OptionSet<{ system: string | null }> = {
  owner: 'chat',
  options: {
    system: {
      schema: textOrNull,
      default: null,
      doc: 'The first message, which says how the model is to answer.',
    },
  },
  refused: {},
}

/**
 * `qlora chat FOLDER`: answers each line that is typed. Samples unless the model or the command sets do_sample,
 * like transformers' chat.
 */
export async function chatCommand(args: readonly string[], terminal: Terminal): Promise<number> {
  const { folder, given } = readCommand('qlora chat FOLDER [options]', args, [
    chatSet,
    generationSet,
    loadSet,
  ])
  const [{ system }, generation, loading] = given as [
    { system?: string },
    ConversationOptions,
    Record<string, unknown>,
  ]
  const { model, tokenizer } = await loadModel(folder, loading)
  const base = 'base_model' in model ? model.base_model : model
  const draws = base.generation_config['do_sample'] === undefined ? { do_sample: true } : {}
  try {
    const conversation = new Conversation(model, tokenizer, { ...draws, ...generation, system })
    terminal.output.write(`${folder} on ${base.device.name}. /help lists the commands.\n`)
    await talk(conversation, terminal)
    conversation.dispose()
  } finally {
    model.dispose()
  }
  return 0
}

/** Reads lines and writes answers, until the input ends or /exit. */
export async function talk(conversation: Conversation, { input, output }: Terminal): Promise<void> {
  const isTerminal = (output as { isTTY?: boolean }).isTTY === true
  const lines = createInterface({ input, output: isTerminal ? output : undefined!, prompt: '> ' })
  let answering: AbortController | undefined
  // A terminal in raw mode sends Ctrl-C here and not as a signal.
  lines.on('SIGINT', () => (answering ? answering.abort() : lines.close()))
  if (isTerminal) lines.prompt()
  for await (const line of lines) {
    const text = line.trim()
    if (text === '/exit' || text === '/quit') break
    if (text === '/help') output.write(`${help}\n`)
    else if (text === '/reset') {
      conversation.reset()
      output.write('The conversation was reset.\n')
    } else if (text.startsWith('/')) output.write(`${text.split(' ')[0]} is no command.\n${help}\n`)
    else if (text !== '') {
      answering = new AbortController()
      try {
        for await (const piece of conversation.say(text, { signal: answering.signal })) output.write(piece)
        output.write('\n')
      } catch (error) {
        output.write(`${messageOf(error)}\n`)
      }
      answering = undefined
    }
    if (isTerminal) lines.prompt()
  }
  lines.close()
}
