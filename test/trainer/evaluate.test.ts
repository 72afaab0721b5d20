import { expect, it } from 'vitest'
import { Dataset } from '../../src/data/dataset'
import { DatasetDict } from '../../src/data/dataset-dict'
import { IterableDataset } from '../../src/data/iterable-dataset'
import type { SFTInit } from '../../src/trainer/arguments'
import type { TrainerCallback } from '../../src/trainer/callbacks'
import type { EvalPrediction } from '../../src/trainer/evaluation'
import type { EvaluationData } from '../../src/trainer/evaluation-call'
import { silent, texts, tinyTrainer } from './tiny'

it('compute_metrics gets the argmax ids and the labels of each row, and its metrics are named with the prefix', async () => {
  const seen: EvalPrediction[] = []
  const trainer = await tinyTrainer(
    { per_device_eval_batch_size: 2 },
    {
      eval_dataset: texts(3),
      compute_metrics: (prediction) => {
        seen.push(prediction)
        const { predictions, label_ids } = prediction
        let right = 0
        let all = 0
        predictions.forEach((ids, i) => {
          for (let t = 1; t < ids.length; t++) {
            if (label_ids[i]![t] === -100) continue
            all++
            if (ids[t - 1] === label_ids[i]![t]) right++
          }
        })
        return { accuracy: right / all, eval_own: 1 }
      },
    },
  )
  const metrics = await trainer.evaluate()
  expect(seen[0]!.predictions.length).toBe(3)
  expect(seen[0]!.predictions.map((ids) => ids.length)).toEqual(seen[0]!.label_ids.map((ids) => ids.length))
  // The same count as the loss's own.
  expect(metrics['eval_accuracy']).toBeCloseTo(metrics['eval_mean_token_accuracy']!, 12)
  expect(metrics['eval_own']).toBe(1)
  // Against the whole logits.
  const [ids] = seen[0]!.label_ids
  const { logits } = await trainer.model.forward({ input_ids: [[...ids!]] })
  const values = await logits.data<Float32Array>()
  const width = logits.shape[2]!
  const argmax = Array.from(ids!, (_, t) => {
    const row = values.subarray(t * width, (t + 1) * width)
    return row.indexOf(Math.max(...row))
  })
  expect([...seen[0]!.predictions[0]!]).toEqual(argmax)
})

it('several evaluation sets are measured by name, logged one by one, and told together', async () => {
  const sets = { short: texts(2), long: texts(5) }
  const events: string[] = []
  const callback: TrainerCallback = {
    on_evaluate: (_, __, ___, metrics) => void events.push(Object.keys(metrics)[0]!),
    on_prediction_step: () => void events.push('batch'),
  }
  const trainer = await tinyTrainer(
    { max_steps: 2, eval_strategy: 'steps', eval_steps: 2, metric_for_best_model: 'short_loss' },
    { eval_dataset: sets, callbacks: [callback] },
  )
  await trainer.train()
  expect(events).toEqual(['batch', 'batch', 'eval_short_loss', 'eval_long_loss'])
  const rows = trainer.state.log_history.filter((row) => 'eval_short_loss' in row || 'eval_long_loss' in row)
  expect(rows.length).toBe(2)
  const alone = await trainer.evaluate(sets.long, { metric_key_prefix: 'eval_long' })
  expect(alone['eval_long_loss']).toBe(rows[1]!['eval_long_loss'])
  expect(trainer.state.best_metric).toBe(rows[0]!['eval_short_loss'])
  const dict = new DatasetDict([['a', sets.short]])
  expect(Object.keys(await trainer.evaluate(dict))[0]).toBe('eval_a_loss')
  expect(Object.keys(await trainer.evaluate({ eval_dataset: sets.short, metric_key_prefix: 'x' }))[0]).toBe(
    'x_loss',
  )
  await expect(trainer.evaluate({ eval_dataset: [] as never })).rejects.toThrow('needs a Dataset')
})

it('predict returns ids, labels and metrics; log adds a row that callbacks hear', async () => {
  const heard: string[] = []
  const trainer = await tinyTrainer(
    {},
    {
      callbacks: [
        {
          on_predict: (_, __, ___, metrics) => void heard.push(Object.keys(metrics)[0]!),
          on_log: (_, __, ___, logs, { model }) =>
            void heard.push(`${logs['mine']} ${model === trainer.model}`),
        },
      ],
      display: silent,
    },
  )
  const { predictions, label_ids, metrics } = await trainer.predict(texts(3))
  expect(predictions.length).toBe(3)
  expect(label_ids[0]!.length).toBe(predictions[0]!.length)
  expect(metrics['test_loss']).toBeGreaterThan(0)
  await trainer.log({ mine: 2 })
  expect(heard).toEqual(['test_loss', '2 true'])
  expect(trainer.state.log_history).toEqual([{ mine: 2, epoch: 0, step: 0 }])
})

it('a set that cannot be evaluated on is told before the first step', async () => {
  const train = async (eval_dataset: EvaluationData, args: SFTInit = {}): Promise<number> => {
    let steps = 0
    const trainer = await tinyTrainer(
      { eval_strategy: 'steps', eval_steps: 4, ...args },
      { eval_dataset, callbacks: [{ on_step_begin: () => void steps++ }] },
    )
    await trainer.train().catch((error: unknown) => {
      throw new Error(`after ${steps} steps: ${String(error)}`)
    })
    return steps
  }
  const bodies = Dataset.from_list([{ body: 'x', id: 1 }])
  await expect(train(bodies)).rejects.toThrow(
    "after 0 steps: Error: [SFT] the evaluation data set has no column 'text' (dataset_text_field), and neither 'messages' nor 'conversations' nor 'prompt' and 'completion' nor 'instruction' and 'output'. Its columns: body, id",
  )
  await expect(train({ good: texts(2), odd: bodies })).rejects.toThrow(
    "after 0 steps: Error: [SFT] the evaluation 'odd' data set has no column 'text'",
  )
  await expect(train(Dataset.from_list([]))).rejects.toThrow(
    'after 0 steps: Error: [SFT] the evaluation data set is empty',
  )
  const empty = IterableDataset.from_generator(() => [])
  await expect(train({ good: texts(2), none: empty })).rejects.toThrow(
    "after 0 steps: Error: [SFTTrainer] the evaluation 'none' data set, a stream, has no rows",
  )
  // A run that never evaluates does not read the set.
  expect(await train(bodies, { eval_strategy: 'no' })).toBe(4)
})
