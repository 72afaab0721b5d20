import { expect, it, vi } from 'vitest'
import { Dataset } from '../../../src/data/dataset'
import { logger } from '../../../src/logging'
import { DPOConfig, KTOConfig, ORPOConfig } from '../../../src/trainer/preference/arguments'
import { TrainingArguments } from '../../../src/trainer/arguments'
import { pairs, tinyPreference } from '../tiny'

it('one loss is a list of one, as in TRL', () => {
  expect(new DPOConfig().loss_type).toEqual(['sigmoid'])
  expect(new DPOConfig({ loss_type: 'ipo' }).loss_type).toEqual(['ipo'])
  expect(new DPOConfig({ loss_type: ['sigmoid', 'sft'] }).to_dict()).toMatchObject({
    beta: 0.1,
    ld_alpha: null,
  })
})

it.each<[() => unknown, string | RegExp]>([
  [
    () => new DPOConfig({ loss_type: 'exo_pair' as never }),
    /\[DPOConfig\] loss_type: got \["?exo_pair"?\]|'exo_pair'/,
  ],
  [
    () => new DPOConfig({ loss_type: 'hinge', label_smoothing: 0.1 }),
    "loss_type 'hinge': TRL reads it with 'robust' only",
  ],
  [
    () => new DPOConfig({ loss_weights: [1, 2] }),
    'loss_weights has 2 numbers; expected 1, one for each of loss_type',
  ],
  [() => new DPOConfig({ label_smoothing: 0.5 }), 'label_smoothing: got 0.5'],
  [() => new DPOConfig({ beta: 0 }), 'beta: got 0'],
  [() => new DPOConfig({ label_smoothing_factor: 0.1 as never }), 'it smooths the labels of tokens'],
  [() => new DPOConfig({ f_divergence_type: 'js_divergence' as never }), 'only reverse_kl is built'],
  [() => new DPOConfig({ rpo_alpha: 0.5 as never }), "loss_type: ['sigmoid', 'sft']"],
  [() => new DPOConfig({ max_prompt_length: 512 as never }), 'TRL 1 removed it'],
  [() => new DPOConfig({ betta: 1 } as never), "'beta'"],
  [() => new KTOConfig({ train_sampling_strategy: 'random' }), "loss_type 'kto' needs 'sequential'"],
  [() => new KTOConfig({ per_device_train_batch_size: 1 }), 'needs 2 or more'],
  [() => new ORPOConfig({ max_completion_length: 5 as never }), 'encoder-decoder'],
])('%s', (make, message) => {
  expect(make).toThrow(message)
})

it('apo_zero_unpaired takes any order and batches of one row', () => {
  const args = { loss_type: 'apo_zero_unpaired', train_sampling_strategy: 'random' } as const
  expect(new KTOConfig({ ...args, per_device_train_batch_size: 1 }).loss_type).toBe('apo_zero_unpaired')
})

it('ORPO without max_length cuts at 512 and says so', () => {
  const warned = vi.spyOn(logger, 'warning').mockImplementation(() => {})
  expect(new ORPOConfig({ max_length: null }).max_length).toBe(512)
  expect(warned).toHaveBeenCalledWith(expect.stringContaining('512'))
  warned.mockRestore()
})

it.each<[object, string]>([
  [{ ref_model: {} }, 'ref_model'],
  [{ formatting_func: () => '' }, 'map the data set to prompt, chosen and rejected'],
  [{ objective: () => ({ loss: 0, dlogps: [] }) }, 'objective'],
  [{ peft_config: null }, '[DPOTrainer] peft_config is missing'],
])('%s', async (options, message) => {
  await expect(tinyPreference('DPO', {}, options)).rejects.toThrow(message)
})

it('plain TrainingArguments keep their own defaults; an evaluation needs its data', async () => {
  const args = new TrainingArguments({ per_device_train_batch_size: 2, max_steps: 1, output_dir: 'nowhere' })
  const trainer = await tinyPreference('DPO', {}, { args })
  expect(trainer.args).toBeInstanceOf(DPOConfig)
  expect(trainer.args).toMatchObject({ learning_rate: 5e-5, bf16: false, beta: 0.1 })
  const evaluating = new DPOConfig({ eval_strategy: 'epoch' })
  await expect(tinyPreference('DPO', {}, { args: evaluating })).rejects.toThrow(
    "eval_strategy is 'epoch': give eval_dataset",
  )
})

it('a row that does not fit is told by its number when training begins', async () => {
  const rows = [...pairs(3), { prompt: 'say', chosen: 'x' }]
  const trainer = await tinyPreference('DPO', {}, { train_dataset: Dataset.from_list(rows) })
  await expect(trainer.train()).rejects.toThrow(
    "[DPO] row 3: 'rejected' is null; expected a text or a list of turns",
  )
})
