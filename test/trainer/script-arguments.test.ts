import { expect, it } from 'vitest'
import type { CausalLM } from '../../src/models/causal-lm'
import { FastLanguageModel } from '../../src/trainer/fast-language-model'
import {
  get_kbit_device_map,
  get_peft_config,
  get_quantization_config,
  ModelConfig,
} from '../../src/trainer/script-arguments'
import { cuda } from '../../src/tensor/cuda'
import { tinyFolder } from '../scripts/tiny-folder'

it("TRL's helpers make an adapter and a quantization of a script's arguments", () => {
  const args = Object.assign(new ModelConfig(), { lora_r: 4, lora_target_modules: 'q_proj v_proj' })
  expect(get_peft_config(args)).toBeNull()
  expect(get_quantization_config(args)).toBeNull()
  Object.assign(args, { use_peft: true, load_in_4bit: true, use_dora: true, dtype: 'bfloat16' })
  expect(get_peft_config(args)).toMatchObject({
    ...{ r: 4, lora_alpha: 32, lora_dropout: 0.05, use_dora: true, modules_to_save: null },
    target_modules: ['q_proj', 'v_proj'],
  })
  expect(get_quantization_config(args)).toMatchObject({
    ...{ load_in_4bit: true, bnb_4bit_compute_dtype: 'bfloat16', bnb_4bit_quant_type: 'nf4' },
  })
  expect(get_kbit_device_map()).toEqual(cuda.is_available() ? { '': 0 } : null)
})

it('FastLanguageModel loads models in 4 bits or not, and refuses what it does not know', async () => {
  const model_name = await tinyFolder()
  const [model, tokenizer] = await FastLanguageModel.from_pretrained({
    ...{ model_name, load_in_4bit: false, dtype: 'float32', max_seq_length: 77 },
  })
  expect([(model as CausalLM).dtype, tokenizer.model_max_length]).toEqual(['float32', 77])
  const one = FastLanguageModel.get_peft_model(model, { r: 2, lora_alpha: 3, random_state: 5 })
  expect(one.peft_config).toMatchObject({ r: 2, lora_alpha: 3, task_type: 'CAUSAL_LM' })
  expect(() => FastLanguageModel.get_peft_model(one, {})).toThrow('got a model with an adapter')
  expect(() => FastLanguageModel.get_peft_model(model, { rank: 2 } as never)).toThrow("unknown option 'rank'")
  await expect(FastLanguageModel.from_pretrained({ model_name: '' })).rejects.toThrow('model_name: got ')
  await expect(
    FastLanguageModel.from_pretrained({ model_name, full_finetuning: true } as never),
  ).rejects.toThrow('adapters are trained')
  one.dispose()
})
