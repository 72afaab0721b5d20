import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { AutoPeftModelForCausalLM } from '../../src/peft/auto'
import { LoraConfig } from '../../src/peft/config'
import { get_peft_model } from '../../src/peft/model'
import { TaskType } from '../../src/peft/task-type'
import { set_seed } from '../../src/options/seed'
import { temporaryFolder } from '../files/support/temporary'
import { randomInputs, tinyModel, tinyPeft } from '../models/tiny'
import { golden } from '../support/shared'

const inputs = randomInputs([6, 4])

it('loads the base that the adapter names, and the adapter', async () => {
  const trained = await tinyPeft()
  const folder = await temporaryFolder()
  await trained.save_pretrained(folder)
  expect(trained.peft_config.base_model_name_or_path).toBe(golden('tiny-llama'))
  const loaded = await AutoPeftModelForCausalLM.from_pretrained(folder, { dtype: 'float32' })
  onTestFinished(() => loaded.dispose())
  const [a, b] = [await trained.forward(inputs), await loaded.forward(inputs)]
  expect(await b.logits.data()).toEqual(await a.logits.data())
})

it('says when the folder is no adapter, or does not name its base', async () => {
  await expect(AutoPeftModelForCausalLM.from_pretrained(golden('tiny-llama'))).rejects.toThrow(
    'has no adapter_config.json; is it an adapter?',
  )
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'adapter_config.json'), '{"peft_type":"LORA"}')
  await expect(AutoPeftModelForCausalLM.from_pretrained(folder)).rejects.toThrow(
    'base_model_name_or_path is not given; load the base',
  )
})

it('TaskType has the names that LoraConfig takes', () => {
  expect(new LoraConfig({ task_type: TaskType.CAUSAL_LM }).task_type).toBe('CAUSAL_LM')
  expect(() => new LoraConfig({ task_type: TaskType.SEQ_CLS as never })).toThrow("needs 'CAUSAL_LM' or null")
})

it('set_seed decides the start of adapters made without a seed, each another', async () => {
  const start = async (): Promise<ArrayLike<number>> => {
    const model = get_peft_model(await tinyModel(), new LoraConfig({ r: 2 }))
    const values = await model.parameters()[0]!.data.data()
    model.unload()
    return Array.from(values)
  }
  const before = await start()
  set_seed(11)
  const [first, second] = [await start(), await start()]
  set_seed(11)
  expect(await start()).toEqual(first)
  expect(second).not.toEqual(first)
  expect(first).not.toEqual(before)
  expect(() => set_seed(-1)).toThrow('[set_seed] got -1, needs a whole number >= 0')
})
