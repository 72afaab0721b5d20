import { join } from 'node:path'
import { writeFileAtomic } from '../files/atomic'
import type { Parameter } from '../nn/parameter'
import { save_safetensors } from '../tensor/safetensors'
import type { LoraConfig } from './config'

export const ADAPTER_WEIGHTS = 'adapter_model.safetensors'
export const ADAPTER_CONFIG = 'adapter_config.json'

/**
 * Writes an adapter folder. Each file appears complete or not at all. The weights are renamed last, so a new
 * folder with weights is complete.
 * @throws Error with the disk's error; if there is no space for the weights, the folder is unchanged.
 */
export async function saveAdapter(
  folder: string,
  config: LoraConfig,
  parameters: Parameter[],
): Promise<void> {
  const saved = { ...config.to_dict(), inference_mode: true }
  const tensors = Object.fromEntries(parameters.map((p) => [p.name, p.data]))
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
