import { expect, it } from 'vitest'
import { LoraConfig } from '../../src/peft/config'
import { get_peft_model } from '../../src/peft/model'
import { TaskType } from '../../src/peft/task-type'
import { set_seed } from '../../src/options/seed'
import { tinyModel } from '../models/tiny'

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
