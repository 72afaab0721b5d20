import { expect, it, onTestFinished } from 'vitest'
import { BitsAndBytesConfig } from '../../src/quantization/config'
import { LoraConfig } from '../../src/peft/config'
import { SFTConfig } from '../../src/trainer/arguments'
import { SFTTrainer } from '../../src/trainer/sft-trainer'
import { temporaryFolder } from '../files/support/temporary'
import { golden } from '../support/shared'
import { sharedTokenizer, silent, texts, tinyTrainer } from './tiny'

const peft_config = new LoraConfig({ r: 4, lora_alpha: 8, target_modules: ['q_proj', 'v_proj'] })

it('a model by name is loaded before training, in float32, and trains as one that was loaded before', async () => {
  const args = new SFTConfig({
    ...{
      output_dir: await temporaryFolder(),
      per_device_train_batch_size: 2,
      max_steps: 2,
      learning_rate: 1e-3,
    },
    ...{ bf16: false, gradient_checkpointing: false, logging_steps: 1, save_strategy: 'no', max_length: 48 },
  })
  const options = { args, peft_config, train_dataset: texts(8), display: silent }
  const trainer = new SFTTrainer({
    ...options,
    model: golden('tiny-llama'),
    processing_class: await sharedTokenizer(),
  })
  onTestFinished(() => trainer.dispose())
  expect(() => trainer.model).toThrow('is not loaded yet: await trainer.load()')
  const { training_loss } = await trainer.train()
  expect(trainer.model.base_model.dtype).toBe('float32')
  const plain = await tinyTrainer({ max_steps: 2 })
  expect((await plain.train()).training_loss).toBe(training_loss)
})

it('model_init_kwargs and quantization_config say how it is loaded', async () => {
  const quantization_config = new BitsAndBytesConfig({ load_in_4bit: true })
  const make = async (changes: object): Promise<SFTTrainer> =>
    new SFTTrainer({
      ...{ model: golden('tiny-llama'), peft_config, train_dataset: texts(2), display: silent },
      ...{ processing_class: await sharedTokenizer(), quantization_config },
      args: new SFTConfig({ output_dir: await temporaryFolder(), model_init_kwargs: { dtype: 'bfloat16' } }),
      ...changes,
    })
  const trainer = await (await make({})).load()
  onTestFinished(() => trainer.dispose())
  expect(trainer.model.base_model.dtype).toBe('bfloat16')
  expect(trainer.model.base_model.quantization_config?.load_in_4bit).toBe(true)
  await expect(make({ model: trainer.model, peft_config: undefined })).rejects.toThrow(
    'the model is loaded already',
  )
  const wrong = await make({ model: '/nowhere/at/all' })
  await expect(wrong.train()).rejects.toThrow('neither a folder nor a repository')
})
