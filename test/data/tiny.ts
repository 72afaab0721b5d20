import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { existsSync } from 'node:fs'
import { byteLevelAlphabet } from 'tokenizers'

import { AutoTokenizer, type TokenizerOptions } from '../../src/data/auto-tokenizer'
import { ggufTokenizer } from '../../src/data/gguf-tokenizer'
import { type PreTrainedTokenizer } from '../../src/data/tokenizer'
import { temporaryFolder } from '../files/support/temporary'

/** Metadata of a GGUF with a byte-level tokenizer: 4 special tokens, 256 bytes, a few merges. */
export function tinyMetadata(): Record<string, unknown> {
  const specials = ['<unk>', '<s>', '</s>', '<|end|>']
  const merges = ['h e', 'l l', 'he ll', 'hell o', 'Ġ w']
  const tokens = [...specials, ...byteLevelAlphabet().sort(), ...merges.map((pair) => pair.replace(' ', ''))]
  return {
    'general.architecture': 'llama',
    'llama.context_length': 64,
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': 'smollm',
    'tokenizer.ggml.tokens': tokens,
    'tokenizer.ggml.token_type': tokens.map((_, i) => (i < specials.length ? 3 : 1)),
    'tokenizer.ggml.merges': merges,
    'tokenizer.ggml.bos_token_id': 1,
    'tokenizer.ggml.eos_token_id': 2,
    'tokenizer.ggml.unknown_token_id': 0,
    'tokenizer.ggml.add_bos_token': true,
    'tokenizer.chat_template':
      "{% for m in messages %}{{ '<s>' + m['role'] + ':' + m['content'] + '<|end|>\n' }}{% endfor %}" +
      "{% if add_generation_prompt %}{{ '<s>assistant:' }}{% endif %}",
  }
}

/** Writes the tiny tokenizer as a model folder; `config` is added to its tokenizer_config.json. */
export async function tinyFolder(config: Record<string, unknown> = {}): Promise<string> {
  const dir = await temporaryFolder()
  const made = ggufTokenizer(tinyMetadata(), 'tiny')
  const begin = { SpecialToken: { id: '<s>', type_id: 0 } }
  const text = (id: 'A' | 'B'): object => ({ Sequence: { id, type_id: 0 } })
  // tokenizer.json's own rule: only it says that a begin token is added.
  const post_processor = {
    type: 'TemplateProcessing',
    single: [begin, text('A')],
    pair: [begin, text('A'), text('B')],
    special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
  }
  await writeFile(join(dir, 'tokenizer.json'), JSON.stringify({ ...made.tokenizer, post_processor }))
  await writeFile(join(dir, 'tokenizer_config.json'), JSON.stringify({ ...made.config, ...config }))
  return dir
}

export async function tinyTokenizer(
  config: Record<string, unknown> = {},
  options: TokenizerOptions = {},
): Promise<PreTrainedTokenizer> {
  return AutoTokenizer.from_pretrained(await tinyFolder(config), options)
}

/** The set-up's copy of SmolLM2's GGUF, or undefined. */
export function smollm2(): { dir: string; gguf_file: string } | undefined {
  const dir = resolve(__dirname, '../../.cache/models/SmolLM2-135M-Instruct')
  const gguf_file = 'SmolLM2-135M-Instruct.Q4_1.gguf'
  return existsSync(join(dir, gguf_file)) ? { dir, gguf_file } : undefined
}
