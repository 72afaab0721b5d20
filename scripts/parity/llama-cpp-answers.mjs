import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

const root = join(import.meta.dirname, '../..')

/** The package node-llama-cpp with llama.cpp's prebuilt CPU library, made by test/parity/make-llama-cpp.mjs. */
export const llamaCppFolder =
  process.env['QLORA_LLAMA_CPP'] ?? join(root, '.cache/llama-cpp/node_modules/node-llama-cpp')

/** What a test that is skipped says it needs. */
export const llamaCppNeeds = 'node-llama-cpp, made by node test/parity/make-llama-cpp.mjs'

export const hasLlamaCpp = existsSync(join(llamaCppFolder, 'package.json'))

/**
 * Greedy answers of a GGUF file by llama.cpp: `{ prompts, answers }`, lists of ids. A prompt is a conversation, which gets the file's
 * template, a text, or a list of ids.
 */
export async function llamaCppAnswers(job) {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'llama-cpp-child.mjs')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const code = new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  // One thread: others would wait for each other in a loop on a machine that has more to do.
  child.stdin.end(JSON.stringify({ threads: 1, cache: 'F32', ...job, package: llamaCppFolder }))
  const out = await text(child.stdout)
  if ((await code) !== 0) throw new Error(`llama.cpp failed on ${job.file}: ${out}`)
  return JSON.parse(out)
}
