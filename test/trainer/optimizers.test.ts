import { expect, it } from 'vitest'
import { AdamW } from '../../src/optim/adamw'
import { Lion } from '../../src/optim/lion'
import { get_scheduler } from '../../src/optim/schedules'
import { get_peft_model } from '../../src/peft/model'
import { LoraConfig } from '../../src/peft/config'
import { AutoModelForCausalLM } from '../../src/models/auto'
import type { PeftModel } from '../../src/peft/model'
import type { SFTInit } from '../../src/trainer/arguments'
import type { SFTTrainer, SFTTrainerOptions } from '../../src/trainer/sft-trainer'
import { golden } from '../support/shared'
import { tinyTrainer } from './tiny'

/** A tiny model with an adapter whose weights are the same each time, and a trainer for it. */
async function trainerOf(
  optimizers: (model: PeftModel) => SFTTrainerOptions['optimizers'],
  args: SFTInit = {},
): Promise<SFTTrainer> {
  const base = await AutoModelForCausalLM.from_pretrained(golden('tiny-llama'))
  const model = get_peft_model(base, new LoraConfig({ r: 4, target_modules: ['q_proj'] }), { seed: 1 })
  const given = optimizers(model)
  return tinyTrainer(args, {
    model,
    peft_config: null,
    ...(given && { optimizers: given }),
  })
}

/** The adapter's weights and the learning rates after a run. */
async function trained(trainer: SFTTrainer) {
  await trainer.train()
  const weights: Record<string, unknown> = {}
  for (const [name, { data }] of trainer.model.named_parameters()) weights[name] = await data.data()
  const rates = trainer.state.log_history.flatMap((row) => row['learning_rate'] ?? [])
  return { weights, rates }
}

it('a given optimizer and schedule do what the named ones do', async () => {
  const named = await trained(await trainerOf(() => undefined, { weight_decay: 0.1 }))
  const schedule = get_scheduler('linear', { num_training_steps: 4, learning_rate: 1e-3 })
  const optimizer = (model: PeftModel) => new AdamW(model.parameters(), { weight_decay: 0.1 })
  // The arguments that they take the place of say something else.
  const other: SFTInit = { optim: 'sgd', weight_decay: 0.9, lr_scheduler_type: 'constant' }
  expect(await trained(await trainerOf((model) => [optimizer(model), schedule], other))).toEqual(named)
  expect(named.rates).toEqual([1e-3, 0.75e-3, 0.5e-3, 0.25e-3])
})

it('each of the two may be null', async () => {
  const halved = await trained(await trainerOf(() => [null, (step) => 0.5 ** step]))
  expect(halved.rates).toEqual([1e-3, 0.5e-3, 0.25e-3, 0.125e-3])
  const lion = await trained(
    await trainerOf((model) => [new Lion(model.parameters(), { beta2: 0.999 }), null]),
  )
  expect(lion.rates).toEqual([1e-3, 0.75e-3, 0.5e-3, 0.25e-3])
  expect(lion.weights).toEqual(
    (await trained(await trainerOf(() => undefined, { optim: 'lion_32bit', weight_decay: 0 }))).weights,
  )
  expect(lion.weights).not.toEqual(halved.weights)
})

it('a further run takes the optimizer with the state it has', async () => {
  let optimizer: AdamW | undefined
  const trainer = await trainerOf((model) => [(optimizer = new AdamW(model.parameters())), null])
  const moments = (): Promise<ArrayLike<number>[]> =>
    Promise.all(Object.values(optimizer!.stateTensors()).map((tensor) => tensor.data()))
  await trainer.train()
  const first = await moments()
  expect(first[0]!.length).toBeGreaterThan(0)
  let second: ArrayLike<number>[] | undefined
  trainer.add_callback({ on_train_begin: async () => void (second = await moments()) })
  await trainer.train()
  expect(second).toEqual(first)
  expect(await moments()).not.toEqual(first)
  expect(optimizer!.stepCount).toBe(8)
})

it('says what it takes', async () => {
  await expect(trainerOf(() => [null] as never)).rejects.toThrow(
    'optimizers: got [null], needs a list of an optimizer or null and a schedule or null',
  )
})
