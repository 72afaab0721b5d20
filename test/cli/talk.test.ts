import { cp, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { chatCommand } from '../../src/cli/chat'
import { generateCommand } from '../../src/cli/generate'
import { serveCommand } from '../../src/cli/serve'
import { AutoTokenizer } from '../../src/data/auto-tokenizer'
import '../../src/export/mixin'
import { AutoModelForCausalLM } from '../../src/models/auto'
import { pipeline } from '../../src/generation/pipeline'
import { HelpRequested } from '../../src/options/argument-parser'
import { tinyFolder } from '../data/tiny'
import { temporaryFolder } from '../files/support/temporary'
import { liveBytes } from '../models/tiny'
import { writeModel } from '../models/write-model'

/** A folder with a random model and the tiny tokenizer of its vocabulary. */
async function modelFolder(generation: object = {}): Promise<string> {
  const [folder, tokenizer] = [await writeModel({ vocab_size: 265 }), await tinyFolder()]
  for (const file of ['tokenizer.json', 'tokenizer_config.json'])
    await cp(join(tokenizer, file), join(folder, file))
  await writeFile(join(folder, 'generation_config.json'), JSON.stringify(generation))
  return folder
}

type Command = typeof chatCommand

async function outputOf(command: Command, args: string[], input: string): Promise<string> {
  const [stdin, stdout] = [new PassThrough(), new PassThrough()]
  stdin.end(input)
  const all = text(stdout)
  try {
    expect(await command(args, { input: stdin, output: stdout })).toBe(0)
  } finally {
    stdout.end()
  }
  return all
}

const cpu = ['--device_map', 'cpu']

describe('qlora chat', () => {
  it('answers lines with their history; /reset forgets it', async () => {
    const folder = await modelFolder({ do_sample: false, max_new_tokens: 12 })
    const before = await liveBytes()
    const pipe = await pipeline('text-generation', { model: folder })
    const answer = async (turns: { role: string; content: string }[]): Promise<string> =>
      (await pipe(turns, { return_full_text: false }))[0]!.generated_text as string
    const first = [{ role: 'user', content: 'hello' }]
    const a = await answer(first)
    const b = await answer([...first, { role: 'assistant', content: a }, { role: 'user', content: 'w' }])
    const alone = await answer([{ role: 'user', content: 'w' }])
    expect(b).not.toBe(alone)
    pipe.dispose()
    const found = await outputOf(
      chatCommand,
      [folder, ...cpu],
      'hello\nw\n/reset\nw\n\n/what\n/exit\nhello\n',
    )
    expect(found).toContain(`/help lists the commands.\n${a}\n${b}\nThe conversation was reset.\n${alone}\n`)
    expect(found).toContain('/what is no command.\n/reset ')
    expect(found.split(a).length).toBe(2)
    expect(await liveBytes()).toBe(before)
  })

  it('reads a GGUF file, with the tokenizer in it', async () => {
    const folder = await modelFolder({ do_sample: false, max_new_tokens: 8 })
    const expected = await outputOf(chatCommand, [folder, ...cpu], 'hello\n')
    const model = await AutoModelForCausalLM.from_pretrained(folder, { dtype: 'float32' })
    const tokenizer = await AutoTokenizer.from_pretrained(folder)
    const files = await temporaryFolder()
    const options = { quantization_method: 'F32' as const }
    const [path] = await model.save_pretrained_gguf(files, tokenizer, options)
    model.dispose()
    const args = [files, ...cpu, '--gguf_file', basename(path!), '--no_do_sample', '--max_new_tokens', '8']
    expect(await outputOf(chatCommand, args, 'hello\n')).toBe(expected.replace(folder, files))
  })

  it('takes options of generation and a system message', async () => {
    const folder = await modelFolder()
    const ask = (...more: string[]): Promise<string> =>
      outputOf(chatCommand, [folder, ...cpu, '--max_new_tokens', '8', ...more], 'hello\n')
    expect(await ask('--seed', '3')).toBe(await ask('--seed', '3'))
    expect(await ask('--seed', '3')).not.toBe(await ask('--seed', '4'))
    const greedy = await ask('--no_do_sample')
    expect(await ask('--do_sample', 'False', '--seed', '4')).toBe(greedy)
    expect(await ask('--no_do_sample', '--system', 'You are a pirate.')).not.toBe(greedy)
  })

  it('an error of one turn ends that turn only', async () => {
    const folder = await modelFolder({ do_sample: false, max_new_tokens: 3 })
    const template =
      "{% if 'bad' in messages[-1]['content'] %}{{ raise_exception('no bad words') }}{% endif %}hello"
    await cp(
      join(await tinyFolder({ chat_template: template }), 'tokenizer_config.json'),
      join(folder, 'tokenizer_config.json'),
    )
    const found = await outputOf(chatCommand, [folder, ...cpu], 'bad\nhello\n')
    expect(found).toContain('no bad words')
    expect(found.trimEnd().split('\n').length).toBeGreaterThan(2)
  })

  it('--help tells the options; unknown ones and a missing model are refused', async () => {
    await expect(outputOf(chatCommand, ['--help'], '')).rejects.toThrow(HelpRequested)
    await expect(outputOf(chatCommand, ['--help'], '')).rejects.toThrow(
      /--system[^]*--temperature[^]*--load_in_4bit/,
    )
    await expect(outputOf(chatCommand, ['x', '--temprature', '1'], '')).rejects.toThrow(
      "Did you mean '--temperature'?",
    )
    await expect(outputOf(chatCommand, ['--temperature', '1'], '')).rejects.toThrow(
      'the model comes first: qlora chat FOLDER',
    )
    await expect(outputOf(chatCommand, ['/no/such/folder'], '')).rejects.toThrow(
      "'/no/such/folder' is neither",
    )
  })
})

describe('qlora generate', () => {
  it('continues a text, or answers it as a message', async () => {
    const folder = await modelFolder({ max_new_tokens: 12 })
    using pipe = await pipeline('text-generation', { model: folder })
    const [plain] = await pipe('hello', { return_full_text: false })
    const [chat] = await pipe([{ role: 'user', content: 'hello' }], { return_full_text: false })
    expect(await outputOf(generateCommand, [folder, ...cpu, '--prompt', 'hello'], '')).toBe(
      `${plain!.generated_text as string}\n`,
    )
    expect(await outputOf(generateCommand, [folder, ...cpu], 'hello')).toBe(
      `${plain!.generated_text as string}\n`,
    )
    expect(await outputOf(generateCommand, [folder, ...cpu, '--chat', '--prompt', 'hello'], '')).toBe(
      `${chat!.generated_text as string}\n`,
    )
  })
})

it('qlora serve answers until it is asked to stop', async () => {
  const folder = await modelFolder()
  const before = await liveBytes()
  const stdout = new PassThrough()
  const run = serveCommand([folder, ...cpu, '--port', '0', '--served_model_name', 'mine'], {
    ...{ input: new PassThrough(), output: stdout },
  })
  const line = String((await stdout[Symbol.asyncIterator]().next()).value)
  const url = /^mine answers at (http:\/\/127\.0\.0\.1:\d+\/v1)\n$/.exec(line)![1]!
  const list = (await (await fetch(`${url}/models`)).json()) as { data: { id: string }[] }
  expect(list.data[0]!.id).toBe('mine')
  process.emit('SIGTERM')
  expect(await run).toBe(0)
  await expect(fetch(`${url}/models`)).rejects.toThrow('fetch failed')
  expect(await liveBytes()).toBe(before)
})
