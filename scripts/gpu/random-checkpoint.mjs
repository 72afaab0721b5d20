// Writes a Llama with random bfloat16 weights and a byte-level tokenizer in Hugging Face's layout; the defaults are
// Llama-3-8B's sizes, 16 GB. Values repeat after 32 MiB: what is timed does not depend on them.
// usage: node random-checkpoint.mjs FOLDER [--layers 32] [--hidden 4096] [--inner 14336] [--vocab 128256] [--dist ../../dist]
//   --tokenizer DIR     the tokenizer of that folder in place of the byte-level one
//   --hub OWNER/NAME    FOLDER is a hub cache ($HF_HOME/hub); the checkpoint goes there under this name
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { moveToHubCache } from './hub-cache.mjs'

const SHARD_BYTES = 4.9e9

/** 32 MiB of bfloat16 normals of deviation 0.02. */
function randomBytes() {
  const values = new Float32Array(1 << 16)
  let state = 1
  const uniform = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32
  for (let i = 0; i < values.length; i++)
    values[i] = 0.02 * Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform())
  const words = new Uint16Array(values.buffer).filter((_, i) => i % 2 === 1) // the upper half of a float32
  const bytes = Buffer.alloc(32 << 20)
  // Another start each time, so that the blocks of a row differ.
  for (let at = 0; at < bytes.length; at += words.length * 2 - 62) Buffer.from(words.buffer).copy(bytes, at)
  return bytes
}

function writeTokenizer(folder, require) {
  const { byteLevelAlphabet } = require('tokenizers')
  const vocab = Object.fromEntries(
    ['<s>', '</s>', ...byteLevelAlphabet().sort()].map((token, id) => [token, id]),
  )
  const special = (content, id) => ({
    ...{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
  })
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }
  const model = { type: 'BPE', dropout: null, unk_token: null, fuse_unk: false, vocab, merges: [] }
  const tokenizer = {
    ...{ version: '1.0', truncation: null, padding: null, normalizer: null, post_processor: null },
    added_tokens: [special('<s>', 0), special('</s>', 1)],
    ...{ pre_tokenizer: byteLevel, decoder: byteLevel, model },
  }
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer))
  const config = { tokenizer_class: 'PreTrainedTokenizerFast', bos_token: '<s>', eos_token: '</s>' }
  writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(config))
}

/** Copies a tokenizer's files; returns the ids of its first and last token of a text. */
function copyTokenizer(from, folder) {
  for (const name of ['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja'])
    if (existsSync(join(from, name))) copyFileSync(join(from, name), join(folder, name))
  const read = (name) => JSON.parse(readFileSync(join(from, name), 'utf8'))
  const { bos_token, eos_token } = read('tokenizer_config.json')
  const { added_tokens } = read('tokenizer.json')
  const idOf = (token) => added_tokens.find(({ content }) => content === (token?.content ?? token))?.id
  return { bos_token_id: idOf(bos_token), eos_token_id: idOf(eos_token) }
}

/** Writes the folder; returns the bytes of its weights. Heads are 128 wide, a quarter of them for keys and values. */
export async function writeCheckpoint(folder, dist, options = {}) {
  const { layers = 32, hidden = 4096, inner = 14336, vocab = 128256, tokenizer } = options
  const require = createRequire(import.meta.url)
  const { writeSafetensors } = require(join(dist, 'files/safetensors-write.js'))
  const { PretrainedConfig } = require(join(dist, 'models/config.js'))
  const { blueprintOf } = require(join(dist, 'models/families.js'))
  const { tensorShapes } = require(join(dist, 'models/blueprint.js'))
  const heads = hidden / 128
  const config = {
    ...{ architectures: ['LlamaForCausalLM'], model_type: 'llama', torch_dtype: 'bfloat16' },
    ...{ vocab_size: vocab, hidden_size: hidden, intermediate_size: inner, num_hidden_layers: layers },
    ...{ num_attention_heads: heads, num_key_value_heads: Math.max(1, heads / 4) },
    ...{ max_position_embeddings: 131072, rms_norm_eps: 1e-5, rope_theta: 500000 },
    ...{ tie_word_embeddings: false },
  }
  mkdirSync(folder, { recursive: true })
  const random = randomBytes()
  const ones = Buffer.alloc(random.length)
  new Uint16Array(ones.buffer, ones.byteOffset, ones.length / 2).fill(0x3f80)
  const bytesOf = (name, nbytes) => {
    const source = name.includes('norm') ? ones : random
    const parts = Array.from({ length: Math.ceil(nbytes / source.length) }, (_, i) =>
      source.subarray(0, Math.min(source.length, nbytes - i * source.length)),
    )
    return Promise.resolve(parts.length === 1 ? parts[0] : Buffer.concat(parts))
  }
  const shards = [[]]
  let size = 0
  let total = 0
  for (const [name, shape] of Object.entries(tensorShapes(blueprintOf(new PretrainedConfig(config))))) {
    const nbytes = 2 * shape.reduce((a, b) => a * b, 1)
    if (size + nbytes > SHARD_BYTES) {
      shards.push([])
      size = 0
    }
    size += nbytes
    total += nbytes
    shards.at(-1).push({ name, dtype: 'BF16', shape, data: () => bytesOf(name, nbytes) })
  }
  const number = (n) => String(n).padStart(5, '0')
  const weight_map = {}
  for (const [i, entries] of shards.entries()) {
    const file =
      shards.length === 1
        ? 'model.safetensors'
        : `model-${number(i + 1)}-of-${number(shards.length)}.safetensors`
    await writeSafetensors(join(folder, file), entries, { format: 'pt' })
    for (const { name } of entries) weight_map[name] = file
  }
  if (shards.length > 1)
    writeFileSync(
      join(folder, 'model.safetensors.index.json'),
      JSON.stringify({ metadata: { total_size: total }, weight_map }),
    )
  if (tokenizer === undefined) writeTokenizer(folder, require)
  const special =
    tokenizer === undefined ? { bos_token_id: 0, eos_token_id: 1 } : copyTokenizer(tokenizer, folder)
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, ...special }))
  return total
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      ...{ layers: { type: 'string' }, hidden: { type: 'string' }, inner: { type: 'string' } },
      ...{ vocab: { type: 'string' }, tokenizer: { type: 'string' }, hub: { type: 'string' } },
      dist: { type: 'string', default: resolve(import.meta.dirname, '../../dist') },
    },
  })
  const { dist, tokenizer, hub, ...sizes } = values
  const start = performance.now()
  const numbers = Object.fromEntries(Object.entries(sizes).map(([key, value]) => [key, Number(value)]))
  const folder = hub === undefined ? positionals[0] : join(positionals[0], '.written')
  const bytes = await writeCheckpoint(folder, resolve(dist), { ...numbers, tokenizer })
  if (hub !== undefined) {
    await moveToHubCache(folder, { cacheDir: positionals[0], type: 'model', id: hub }, resolve(dist))
    rmdirSync(folder)
  }
  console.log(`${(bytes / 1e9).toFixed(2)} GB in ${((performance.now() - start) / 1000).toFixed(1)} s`)
}
