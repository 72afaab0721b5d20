import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { load_safetensors } from '../../src/tensor/safetensors'
import { TrainingArguments } from '../../src/trainer/arguments'
import { EarlyStoppingCallback } from '../../src/trainer/early-stopping'
import { texts, tinyTrainer } from './tiny'

/** Metrics that fall and rise again, one an evaluation; what the loop does with them is under test. */
function scripted(values: number[]): { compute_metrics: () => { score: number } } {
  let at = 0
  return { compute_metrics: () => ({ score: values[at++]! }) }
}

const each = { eval_strategy: 'steps', eval_steps: 1, save_strategy: 'steps', save_steps: 1 } as const

describe('load_best_model_at_end', () => {
  it('puts the best checkpoint on the model, and save_total_limit leaves it', async () => {
    const trainer = await tinyTrainer(
      {
        ...each,
        max_steps: 4,
        load_best_model_at_end: true,
        metric_for_best_model: 'score',
        save_total_limit: 1,
      },
      { eval_dataset: texts(2), ...scripted([1, 5, 2, 3]) },
    )
    await trainer.train()
    const { state, args } = trainer
    expect(state).toMatchObject({ best_metric: 5, best_global_step: 2 })
    expect(state.best_model_checkpoint).toBe(join(args.output_dir, 'checkpoint-2'))
    const kept = (await readdir(args.output_dir)).filter((name) => name.startsWith('checkpoint-')).sort()
    expect(kept).toEqual(['checkpoint-2', 'checkpoint-4'])
    const best = await load_safetensors(join(state.best_model_checkpoint!, 'adapter_model.safetensors'))
    const last = await load_safetensors(join(args.output_dir, 'checkpoint-4', 'adapter_model.safetensors'))
    for (const [name, { data }] of trainer.model.named_parameters()) {
      expect(await data.data(), name).toEqual(await best[name]!.data())
      expect(await data.data(), name).not.toEqual(await last[name]!.data())
    }
  })

  it('the loss is the metric by default, and smaller is better', async () => {
    const trainer = await tinyTrainer(
      { ...each, max_steps: 2, load_best_model_at_end: true },
      { eval_dataset: texts(2) },
    )
    expect(trainer.args).toMatchObject({ metric_for_best_model: 'loss', greater_is_better: false })
    await trainer.train()
    const losses = trainer.state.log_history.flatMap((row) => row['eval_loss'] ?? [])
    expect(trainer.state.best_metric).toBe(Math.min(...losses))
  })

  it("save_strategy 'best' writes a checkpoint for each new best alone", async () => {
    const trainer = await tinyTrainer(
      {
        ...each,
        save_strategy: 'best',
        max_steps: 4,
        metric_for_best_model: 'eval_score',
        greater_is_better: false,
      },
      { eval_dataset: texts(2), ...scripted([3, 4, 1, 2]) },
    )
    await trainer.train()
    const has = (step: number): boolean => existsSync(join(trainer.args.output_dir, `checkpoint-${step}`))
    expect([1, 2, 3, 4].map(has)).toEqual([true, false, true, false])
  })

  it('a resumed run knows the best of before, whose checkpoint it puts on the model', async () => {
    const args = { ...each, load_best_model_at_end: true, metric_for_best_model: 'score' } as const
    const first = await tinyTrainer(
      { ...args, max_steps: 2 },
      { eval_dataset: texts(2), ...scripted([5, 1]) },
    )
    await first.train()
    const { output_dir } = first.args
    // The state says which one it was, and would be wrong without: 3 and 2 are better than nothing.
    const resumed = await tinyTrainer(
      { ...args, max_steps: 4, output_dir },
      { eval_dataset: texts(2), ...scripted([3, 2]) },
    )
    await resumed.train({ resume_from_checkpoint: true })
    const best = join(output_dir, 'checkpoint-1')
    expect(resumed.state).toMatchObject({
      ...{ best_metric: 5, best_global_step: 1, best_model_checkpoint: best },
      global_step: 4,
    })
    const weights = await load_safetensors(join(best, 'adapter_model.safetensors'))
    for (const [name, { data }] of resumed.model.named_parameters())
      expect(await data.data(), name).toEqual(await weights[name]!.data())
  })

  it('says what does not go together', () => {
    const make = (args: object) => () => new TrainingArguments(args)
    expect(make({ load_best_model_at_end: true })).toThrow('set eval_strategy')
    expect(make({ load_best_model_at_end: true, eval_strategy: 'epoch' })).toThrow(
      "needs save_strategy and eval_strategy to be the same, or save_strategy 'best'; got 'steps' and 'epoch'",
    )
    expect(make({ ...each, load_best_model_at_end: true, eval_steps: 2, save_steps: 3 })).toThrow(
      'save_steps to be a multiple of eval_steps; got 3 and 2',
    )
    expect(make({ save_strategy: 'best', eval_strategy: 'epoch' })).toThrow('needs metric_for_best_model')
  })

  it('names the metrics there are when it is none of them', async () => {
    const trainer = await tinyTrainer(
      { ...each, max_steps: 1, metric_for_best_model: 'bleu' },
      { eval_dataset: texts(2) },
    )
    await expect(trainer.train()).rejects.toThrow("the evaluation gave no 'eval_bleu'. It gave: eval_loss")
  })
})

describe('EarlyStoppingCallback', () => {
  it.each([
    // Values of the reference's own rule: a patience of 2 ends at the second evaluation in a row without improvement.
    [[5, 4, 6, 6.5, 1], { early_stopping_patience: 2 }, 4],
    [[5, 4, 6, 3, 1], { early_stopping_patience: 2 }, 5],
    [[5, 4.95, 4.9, 1], { early_stopping_patience: 1, early_stopping_threshold: 0.1 }, 2],
    [[5, 5], {}, 2],
  ] as const)('%j with %j ends after step %i', async (values, options, steps) => {
    vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    const trainer = await tinyTrainer(
      {
        ...each,
        save_strategy: 'no',
        max_steps: 5,
        metric_for_best_model: 'score',
        greater_is_better: false,
      },
      {
        eval_dataset: texts(2),
        callbacks: [new EarlyStoppingCallback(options)],
        ...scripted([...values]),
      },
    )
    expect((await trainer.train()).global_step).toBe(steps)
  })

  it('needs a metric and evaluations', async () => {
    const callbacks = [EarlyStoppingCallback]
    await expect((await tinyTrainer({}, { callbacks })).train()).rejects.toThrow('set metric_for_best_model')
    const trainer = await tinyTrainer({ metric_for_best_model: 'loss' }, { callbacks })
    await expect(trainer.train()).rejects.toThrow("eval_strategy is 'no'")
    expect(() => new EarlyStoppingCallback({ patience: 2 } as never)).toThrow('early_stopping_patience')
  })
})
