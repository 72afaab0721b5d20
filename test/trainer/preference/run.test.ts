import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Dataset } from '../../../src/data/dataset'
import { LoraConfig } from '../../../src/peft/config'
import { get_peft_model } from '../../../src/peft/model'
import type { DPOInit, KTOInit, ORPOInit } from '../../../src/trainer/preference/options.generated'
import { temporaryFolder } from '../../files/support/temporary'
import { liveBytes, tinyModel } from '../../models/tiny'
import { readEvents } from '../logs/read-events'
import { adapterBytes, figures } from '../stoppable'
import { judged, pairs, tinyPreference } from '../tiny'

const kinds = ['DPO', 'KTO', 'ORPO'] as const
const dropping = (): LoraConfig =>
  new LoraConfig({ r: 4, lora_alpha: 8, lora_dropout: 0.3, target_modules: ['q_proj', 'v_proj'] })

describe.each(kinds)('%s', (kind) => {
  const rows = kind === 'KTO' ? judged : pairs

  it('goes on from a checkpoint with the same bits, its figures too', async () => {
    const args: DPOInit & KTOInit & ORPOInit = {
      ...{ max_steps: 6, save_steps: 2, logging_steps: 3 },
      ...{ gradient_accumulation_steps: 2, disable_dropout: false },
      save_strategy: 'steps',
    }
    const whole = await tinyPreference(kind, args, { peft_config: dropping() })
    await whole.train()
    const resumed = await tinyPreference(kind, args, { peft_config: dropping() })
    await resumed.train({ resume_from_checkpoint: join(whole.args.output_dir, 'checkpoint-2') })
    expect(figures(resumed)).toEqual(figures(whole))
    expect(await adapterBytes(resumed)).toEqual(await adapterBytes(whole))
    expect(figures(whole).at(-2)).toMatchObject({ step: 6, 'rewards/margins': expect.any(Number) })
  })

  it('with another beta a checkpoint is refused by name', async () => {
    const args = { max_steps: 2, save_strategy: 'steps', save_steps: 1 } as const
    const first = await tinyPreference(kind, args)
    await first.train()
    const other = await tinyPreference(kind, { ...args, beta: 0.3, output_dir: first.args.output_dir })
    await expect(other.train({ resume_from_checkpoint: true })).rejects.toThrow(
      "beta is 0.3; the checkpoint's run had 0.1",
    )
  })

  it('stopped and called again it has the bits of a run that was not stopped', async () => {
    const controller = new AbortController()
    const stop = {
      on_step_end: (_: unknown, s: { global_step: number }) =>
        void (s.global_step === 2 && controller.abort()),
    }
    const whole = await tinyPreference(kind)
    await whole.train()
    const parts = await tinyPreference(kind, {}, { callbacks: [stop] })
    expect(await parts.train({ signal: controller.signal })).toMatchObject({ global_step: 2, stopped: true })
    await parts.train()
    expect(figures(parts)).toEqual(figures(whole))
  })

  it('logs its figures to TensorBoard and CSV, and evaluates', async () => {
    const logging_dir = await temporaryFolder()
    const trainer = await tinyPreference(
      kind,
      { max_steps: 2, report_to: ['tensorboard', 'csv'], logging_dir, eval_strategy: 'steps', eval_steps: 2 },
      { eval_dataset: Dataset.from_list(rows(5)) },
    )
    await trainer.train()
    const [file] = await readdir(logging_dir)
    const tags = readEvents(join(logging_dir, file!)).map(({ tag }) => tag)
    expect(tags).toEqual(expect.arrayContaining(['train/rewards/chosen', 'eval/rewards/chosen', 'eval/loss']))
    const csv = await readFile(join(trainer.args.output_dir, 'log.csv'), 'utf8')
    expect(csv.split('\n')[0]).toContain('rewards/chosen')
    const evaluated = await trainer.evaluate()
    const logged = trainer.state.log_history.find((row) => 'eval_loss' in row)!
    expect(evaluated['eval_loss']).toBe(logged['eval_loss'])
    expect(evaluated['eval_rewards/chosen']).toBe(logged['eval_rewards/chosen'])
    expect(evaluated).not.toHaveProperty('eval_mean_token_accuracy')
  })

  it('plans memory, with the same numbers under the leanest plan', async () => {
    const plain = await tinyPreference(kind)
    await plain.train()
    const lean = await tinyPreference(kind, { memory: 'lean', disable_tqdm: true })
    await lean.train()
    const losses = (trainer: typeof lean): number[] => figures(trainer).flatMap(({ loss }) => loss ?? [])
    losses(lean).forEach((loss, i) => expect(loss).toBeCloseTo(losses(plain)[i]!, 5))
  })

  it('dropout of the adapter acts only with disable_dropout: false', async () => {
    const lossesOf = async (disable_dropout: boolean, peft_config: LoraConfig): Promise<unknown> => {
      // The first adapter is zero: dropout shows from the second step on.
      const trainer = await tinyPreference(kind, { disable_dropout }, { peft_config })
      await trainer.train()
      return figures(trainer).map(({ loss }) => loss)
    }
    const without = new LoraConfig({ ...dropping(), lora_dropout: 0 })
    const plain = await lossesOf(true, without)
    expect(await lossesOf(true, dropping())).toEqual(plain)
    expect(await lossesOf(false, dropping())).not.toEqual(plain)
  })

  it('frees all that it took', async () => {
    const before = await liveBytes()
    const trainer = await tinyPreference(kind, { max_steps: 1 })
    await trainer.train()
    trainer.dispose()
    expect(await liveBytes()).toBe(before)
  })
})

it('precomputed log-probabilities of the reference give the numbers of those measured in each step', async () => {
  for (const kind of ['DPO', 'KTO'] as const) {
    const [each, once] = [
      await tinyPreference(kind),
      await tinyPreference(kind, { precompute_ref_log_probs: true, precompute_ref_batch_size: 4 }),
    ]
    await each.train()
    await once.train()
    const [one, other] = [figures(each), figures(once)]
    expect(other.length).toBe(one.length)
    one.forEach((row, i) => {
      for (const [key, value] of Object.entries(row)) expect(other[i]![key], key).toBeCloseTo(value, 4)
    })
  }
})

it('the reference of an adapter that was there is its copy, which does not move', async () => {
  const model = await tinyModel('tiny-llama', { dtype: 'float32' })
  const lora = new LoraConfig({ r: 4, lora_alpha: 8, target_modules: ['q_proj'], init_lora_weights: false })
  const peft = get_peft_model(model, lora)
  const trainer = await tinyPreference('DPO', { max_steps: 2 }, { model: peft, peft_config: null })
  await trainer.train()
  const [first, second] = figures(trainer)
  // The adapter is its own reference at first, though it is not zero.
  expect(first!['rewards/chosen']).toBe(0)
  expect(first!['loss']).toBeCloseTo(Math.LN2, 6)
  expect(second!['rewards/margins']).toBeGreaterThan(0)
})
