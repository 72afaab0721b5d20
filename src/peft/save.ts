import { join } from 'node:path'
import { writeFileAtomic } from '../files/atomic'
import type { CausalLM } from '../models/causal-lm'
import type { Embedding } from '../nn/embedding'
import { Linear } from '../nn/linear'
import { baseLayer } from '../nn/lora'
import type { Parameter } from '../nn/parameter'
import type { Tensor } from '../tensor/tensor'
import { save_safetensors } from '../tensor/safetensors'
import type { LoraConfig } from './config'
import { KEY_PREFIX, rowsKey } from './keys'

export const ADAPTER_WEIGHTS = 'adapter_model.safetensors'
export const ADAPTER_CONFIG = 'adapter_config.json'

/**
 * Embedding and head of a model whose vocabulary was resized, by the keys of an adapter file: without them the new rows would be lost.
 * Of other models nothing.
 */
export function resizedTables({ parts, config, originalVocabulary }: CausalLM): Record<string, Tensor> {
  const head = baseLayer(parts.lm_head)
  if (originalVocabulary === undefined || originalVocabulary === config.vocab_size) return {}
  const { embed_tokens } = parts
  return {
    [tableKey(embed_tokens)]: embed_tokens.weight,
    ...(head instanceof Linear && { [tableKey(head)]: head.weight }),
    // PEFT names rows that a tied head shares once more.
    ...(head instanceof Linear && head.trainedRows && { [rowsKey(head.name)]: head.trainedRows.rows.data }),
  }
}

/** Where a file has the frozen table of the embedding or of the head. PEFT puts a word before it where an adapter is around it. */
function tableKey(table: Embedding | Linear): string {
  return `${KEY_PREFIX}${table.name}.${table.trainedRows ? 'token_adapter.base_layer.' : ''}weight`
}

/**
 * Writes an adapter folder; `resized` holds further tensors. Each file appears complete or not at all. The weights
 * are renamed last, so a new folder with weights is complete.
 * @throws Error with the disk's error; if there is no space for the weights, the folder is unchanged.
 */
export async function saveAdapter(
  folder: string,
  config: LoraConfig,
  parameters: Parameter[],
  resized: Readonly<Record<string, Tensor>> = {},
): Promise<void> {
  const saved = { ...config.to_dict(), inference_mode: true }
  const tensors = { ...resized, ...Object.fromEntries(parameters.map((p) => [p.name, p.data])) }
  await save_safetensors(join(folder, ADAPTER_WEIGHTS), tensors, undefined, async () => {
    await writeFileAtomic(join(folder, ADAPTER_CONFIG), JSON.stringify(saved, null, 2))
    await writeFileAtomic(join(folder, 'README.md'), modelCard(config))
  })
}

function modelCard(config: LoraConfig): string {
  const base = config.base_model_name_or_path ?? ''
  const scale = config.use_rslora ? 'alpha / sqrt(r)' : 'alpha / r'
  return `---
base_model: ${base}
library_name: peft
pipeline_tag: text-generation
tags:
- base_model:adapter:${base}
- lora
- qlora
---

# A LoRA adapter for ${base}

Trained with qlora. Rank ${config.r}, alpha ${config.lora_alpha} (scale ${scale}), dropout ${config.lora_dropout}.

\`\`\`python
from peft import PeftModel
model = PeftModel.from_pretrained(base_model, "this folder")
\`\`\`
`
}
