// Do llama.cpp and this library give the same answers? Tunes SmolLM2-135M as the tutorial does, writes GGUF files of the result, and
// compares greedy answers token by token. llama.cpp is node-llama-cpp's prebuilt one; it renders the file's own chat template.
//   node scripts/parity/llama-cpp.mjs [--prompts 100] [--steps 8] [--max_new_tokens 32] [--only CASE,CASE] [--folder FOLDER]
// FOLDER keeps the files, and is not made again where it has them.
// One JSON line for each case: how many answers are equal, and for each other one the step of the first difference and the margin,
// that is by how much our best logit there lies above llama.cpp's choice.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import {
  AutoModelForCausalLM,
  AutoTokenizer,
  BitsAndBytesConfig,
  Dataset,
  LoraConfig,
  PeftModel,
  SFTConfig,
  SFTTrainer,
} from '../../dist/index.js'
import { root } from '../setup/step.mjs'
import { llamaCppAnswers } from './llama-cpp-answers.mjs'

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
const base = {
  folder: join(root, '.cache/models/SmolLM2-135M-Instruct'),
  gguf_file: 'SmolLM2-135M-Instruct.Q4_1.gguf',
}
const rows = readFileSync(join(root, 'notebooks/data/pocket-instruct/train.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line))
const prompts = rows.slice(-count).map(({ messages }) => messages.slice(0, 1))

const folder = values.folder ?? mkdtempSync(join(tmpdir(), 'qlora-llama-cpp-'))
const adapter = join(folder, 'adapter')
const tokenizer = await AutoTokenizer.from_pretrained(base.folder, { gguf_file: base.gguf_file })
const file = (part, type) =>
  join(folder, part, `SmolLM2-135M-Instruct${part === 'lora' ? '-lora' : ''}.${type}.gguf`)

/** The base in 4 bits, multiplied in float32 as llama.cpp multiplies an F32 file. */
const loadBase = () =>
  AutoModelForCausalLM.from_pretrained(base.folder, {
    gguf_file: base.gguf_file,
    quantization_config: new BitsAndBytesConfig({
      load_in_4bit: true,
      bnb_4bit_quant_type: 'nf4',
      bnb_4bit_compute_dtype: 'float32',
    }),
  })

/** Trains on the first rows, and writes every file that is compared. */
async function tune() {
  const model = await loadBase()
  await model.save_pretrained_gguf(join(folder, 'base'), tokenizer, { quantization_method: ['F32', 'F16'] })
  const trainer = new SFTTrainer({
    model,
    train_dataset: Dataset.from_list(rows.slice(0, -100)),
    processing_class: tokenizer,
    peft_config: new LoraConfig({ r: 64, lora_alpha: 16, lora_dropout: 0.1, task_type: 'CAUSAL_LM' }),
    args: new SFTConfig({
      output_dir: join(folder, 'run'),
      per_device_train_batch_size: 4,
      max_steps: Number(values.steps),
      learning_rate: 2e-3,
      warmup_ratio: 0.03,
      lr_scheduler_type: 'cosine',
      max_grad_norm: 0.3,
      save_strategy: 'no',
      report_to: 'none',
      disable_tqdm: true,
    }),
  })
  const { training_loss } = await trainer.train()
  console.log(JSON.stringify({ steps: Number(values.steps), training_loss }))
  const peft = trainer.model
  await peft.save_pretrained(adapter)
  await peft.save_pretrained_gguf(join(folder, 'tuned'), tokenizer, {
    quantization_method: ['F32', 'F16', 'Q8_0', 'Q4_K_M'],
  })
  await peft.save_pretrained_gguf(join(folder, 'lora'), tokenizer, {
    save_method: 'lora',
    quantization_method: ['F32', 'F16'],
  })
  trainer.dispose()
}

/** Answers of this library for prompts of ids. */
async function ours(model, ids) {
  const answers = []
  for (let at = 0; at < ids.length; at += 25) {
    const part = ids.slice(at, at + 25)
    const out = await model.generate({ input_ids: part }, { max_new_tokens, do_sample: false })
    answers.push(...out.map((row, i) => trimmed(row.slice(part[i].length))))
  }
  return answers
}

/** Up to the end token; what follows it is padding. */
function trimmed(answer) {
  const end = answer.indexOf(tokenizer.eos_token_id)
  return end === -1 ? answer : answer.slice(0, end + 1)
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
  // Written last.
  if (!existsSync(join(folder, 'lora/Modelfile'))) await tune()
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
