import type { PreTrainedTokenizer } from '../data/tokenizer'
import { tokenizerOf } from '../generation/pipeline'
import type { CausalLM } from '../models/causal-lm'
import { parseOptions } from '../options/parse'
import { loadAny } from '../peft/auto'
import type { PeftModel } from '../peft/model'
import { BitsAndBytesConfig } from '../quantization/config'
import { loadSet } from './arguments'

/** Loads the model of a folder or repository, or the adapter and its base model, with its tokenizer. */
export async function loadModel(
  folder: string,
  given: Record<string, unknown>,
): Promise<{ model: CausalLM | PeftModel; tokenizer: PreTrainedTokenizer }> {
  const { dtype, device_map, load_in_4bit, gguf_file, revision } = parseOptions(loadSet, given)
  const tokenizer = await tokenizerOf(folder, gguf_file)
  const quantization = { load_in_4bit: true, bnb_4bit_quant_type: 'nf4' } as const
  const model = await loadAny(folder, {
    ...{ dtype, device_map, gguf_file, revision },
    ...(load_in_4bit && { quantization_config: new BitsAndBytesConfig(quantization) }),
  })
  return { model, tokenizer }
}
