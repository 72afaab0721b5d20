// Do llama.cpp and this library give the same answers? Tunes SmolLM2-135M as the tutorial does, writes GGUF files of the result, and
// compares greedy answers token by token. llama.cpp is node-llama-cpp's prebuilt one; it renders the file's own chat template.
//   node scripts/parity/llama-cpp.mjs [--prompts 100] [--steps 8] [--max_new_tokens 32] [--only CASE,CASE] [--folder FOLDER]
// FOLDER keeps the files, and is not made again where it has them.
// One JSON line for each case: how many answers are equal, and for each other one the step of the first difference and the margin,
// that is by how much our best logit there lies above llama.cpp's choice.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { AutoModelForCausalLM, PeftModel } from '../../dist/index.js'
import { llamaCppAnswers } from './llama-cpp-answers.mjs'
import { loadBase, loadTokenizer, rows, trimmed, tune } from './tuned-smollm2.mjs'

const { values } = parseArgs({
  options: {
    prompts: { type: 'string', default: '100' },
    steps: { type: 'string', default: '8' },
    max_new_tokens: { type: 'string', default: '32' },
    only: { type: 'string' },
    folder: { type: 'string' },
  },
})
const count = Number(values.prompts)
const max_new_tokens = Number(values.max_new_tokens)
const prompts = rows.slice(-count).map(({ messages }) => messages.slice(0, 1))

const folder = values.folder ?? mkdtempSync(join(tmpdir(), 'qlora-llama-cpp-'))
const adapter = join(folder, 'adapter')
const tokenizer = await loadTokenizer()
const file = (part, type) =>
  join(folder, part, `SmolLM2-135M-Instruct${part === 'lora' ? '-lora' : ''}.${type}.gguf`)

/** Writes every file that is compared. */
const writing = {
  before: (model) =>
    model.save_pretrained_gguf(join(folder, 'base'), tokenizer, { quantization_method: ['F32', 'F16'] }),
  after: async (tuned) => {
    const quantization_method = ['F32', 'F16', 'Q8_0', 'Q4_K_M']
    await tuned.save_pretrained_gguf(join(folder, 'tuned'), tokenizer, { quantization_method })
    await tuned.save_pretrained_gguf(join(folder, 'lora'), tokenizer, {
      save_method: 'lora',
      quantization_method: ['F32', 'F16'],
    })
  },
}

/** Answers of this library for prompts of ids. */
async function ours(model, ids) {
  const answers = []
  for (let at = 0; at < ids.length; at += 25) {
    const part = ids.slice(at, at + 25)
    const out = await model.generate({ input_ids: part }, { max_new_tokens, do_sample: false })
    answers.push(...out.map((row, i) => trimmed(row.slice(part[i].length), tokenizer.eos_token_id)))
  }
  return answers
}

/** By how much our best logit lies above their token, after the ids that both have in common. */
async function margin(model, ids, token) {
  const { logits } = await model.forward({ input_ids: [ids] })
  const all = await logits.data()
  logits.dispose()
  const last = all.subarray(all.length - model.config.vocab_size)
  return last.reduce((a, b) => Math.max(a, b)) - last[token]
}

async function compare(name, model, job, many = count) {
  if (values.only !== undefined && !values.only.split(',').includes(name)) return
  const given = prompts.slice(0, many)
  const theirs = await llamaCppAnswers({ ...job, prompts: given, max_new_tokens })
  const ids = await Promise.all(
    given.map((messages) => tokenizer.apply_chat_template(messages, { add_generation_prompt: true })),
  )
  const ownPrompts = ids.map(({ input_ids }) => input_ids)
  const samePrompts = ownPrompts.filter((own, i) => own.join() === theirs.prompts[i].join()).length
  const answers = await ours(model, ownPrompts)
  const differences = []
  for (const [i, answer] of answers.entries()) {
    const step = answer.findIndex((id, at) => id !== theirs.answers[i][at])
    if (step === -1 && answer.length === theirs.answers[i].length) continue
    const common = [...ownPrompts[i], ...answer.slice(0, step)]
    differences.push({ prompt: i, step, margin: await margin(model, common, theirs.answers[i][step]) })
  }
  const tokens = answers.reduce((sum, answer) => sum + answer.length, 0)
  console.log(
    JSON.stringify({
      case: name,
      prompts: many,
      same_prompts: samePrompts,
      tokens,
      equal: many - differences.length,
      differences,
    }),
  )
}

async function withFile(path, use) {
  const model = await AutoModelForCausalLM.from_pretrained(join(path, '..'), {
    gguf_file: basename(path),
    dtype: 'float32',
  })
  try {
    await use(model)
  } finally {
    model.dispose()
  }
}

try {
  await tune(folder, Number(values.steps), writing)
  const tuned = await PeftModel.from_pretrained(await loadBase(), adapter)
  await compare('adapter on NF4, beside merged F32', tuned, { file: file('tuned', 'F32') })
  tuned.dispose()
  for (const type of ['F32', 'F16'])
    await withFile(file('tuned', type), (model) =>
      compare(`merged ${type}`, model, { file: file('tuned', type) }),
    )
  for (const type of ['F32', 'F16'])
    await withFile(file('base', type), async (model) => {
      const peft = await PeftModel.from_pretrained(model, adapter)
      const job = { file: file('base', type), lora: file('lora', type) }
      await compare(`adapter ${type} on base ${type}`, peft, job)
    })
  for (const type of ['Q8_0', 'Q4_K_M'])
    await withFile(file('tuned', type), (model) =>
      compare(`merged ${type}`, model, { file: file('tuned', type) }, Math.min(count, 10)),
    )
} finally {
  if (values.folder === undefined) rmSync(folder, { recursive: true, force: true })
}
