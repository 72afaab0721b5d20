// Greedy answers of GGUF files by llama.cpp, in a process of its own: two native libraries with their threads do not share one.
// Reads a job as JSON from stdin, writes its answers as JSON to stdout:
//   { package, file, lora?, cache: 'F32' | 'F16', threads, max_new_tokens, prompts: (messages | ids | text)[] }
//   -> { prompts: ids[], answers: ids[], seconds, tokens }
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'

const job = JSON.parse(await text(process.stdin))
const { getLlama, JinjaTemplateChatWrapper } = await import(
  pathToFileURL(join(job.package, 'dist/index.js')).href
)
const llama = await getLlama({ gpu: false, build: 'never', maxThreads: job.threads, logLevel: 'error' })
const model = await llama.loadModel({ modelPath: job.file })

/** A conversation by the template in the file, or a text, tokenized by the vocabulary in the file. */
function promptOf(prompt) {
  if (typeof prompt === 'string')
    return [...(model.tokens.shouldPrependBosToken ? [model.tokens.bos] : []), ...model.tokenize(prompt)]
  if (typeof prompt[0] === 'number') return prompt
  const { chat_template: template } = model.fileInfo.metadata.tokenizer
  const wrapper = new JinjaTemplateChatWrapper({ template, tokenizer: model.tokenizer })
  const chatHistory = prompt.map(({ role, content }) =>
    role === 'assistant' ? { type: 'model', response: [content] } : { type: role, text: content },
  )
  const { contextText } = wrapper.generateContextState({
    chatHistory: [...chatHistory, { type: 'model', response: [] }],
  })
  return contextText.tokenize(model.tokenizer)
}

const prompts = job.prompts.map(promptOf)
const longest = Math.max(...prompts.map((ids) => ids.length)) + job.max_new_tokens
const sequences = Math.min(8, prompts.length)
const context = await model.createContext({
  contextSize: longest + 8,
  sequences,
  batchSize: 512,
  threads: job.threads,
  flashAttention: false,
  experimentalKvCacheKeyType: job.cache,
  experimentalKvCacheValueType: job.cache,
  ...(job.lora && { lora: job.lora }),
})

const answers = []
const began = performance.now()
let next = 0
async function worker(sequence) {
  while (next < prompts.length) {
    const i = next++
    const answer = []
    await sequence.clearHistory()
    for await (const token of sequence.evaluate(prompts[i], { temperature: 0, yieldEogToken: true })) {
      answer.push(token)
      if (model.isEogToken(token) || answer.length === job.max_new_tokens) break
    }
    answers[i] = answer
  }
}
await Promise.all(Array.from({ length: sequences }, () => worker(context.getSequence())))
const seconds = (performance.now() - began) / 1000
process.stdout.write(
  JSON.stringify({
    prompts,
    answers,
    seconds,
    tokens: answers.reduce((sum, answer) => sum + answer.length, 0),
  }),
)
process.exit(0)
