import { describe, expect, it } from 'vitest'
import type { ModelInputs } from '../../src/models/padding'
import { liveBytes, randomInputs, tinyModel, tinyPeft } from './tiny'

describe('forward', () => {
  it('gives logits and hidden states in the padded shape, zeros at padding', async () => {
    const model = await tinyModel()
    const inputs = { ...randomInputs([3, 5]), output_hidden_states: true }
    const { loss, logits, hidden_states } = await model.forward(inputs)
    expect(loss).toBeGreaterThan(4)
    expect(logits.shape).toEqual([2, 5, 512])
    expect(hidden_states!.map((h) => h.shape)).toEqual(Array(4).fill([2, 5, 64]))
    const values = await logits.data()
    const at = (b: number, s: number): Float32Array =>
      values.subarray((b * 5 + s) * 512, (b * 5 + s + 1) * 512)
    for (const s of [3, 4]) expect(at(0, s).every((v) => v === 0)).toBe(true)
    for (const s of [0, 1, 2]) expect(at(0, s).some((v) => v === 0)).toBe(false)
    for (const t of [logits, ...hidden_states!]) t.dispose()
  })

  it('rows do not see each other, nor the future', async () => {
    const model = await tinyModel()
    const logitsOf = async (input_ids: number[][]): Promise<Float32Array> => {
      const { logits, loss, hidden_states } = await model.forward({ input_ids })
      const values = await logits.data()
      logits.dispose()
      expect([loss, hidden_states]).toEqual([undefined, undefined])
      return values
    }
    const alone = await logitsOf([[7, 8, 9, 10]])
    const distance = (values: Float32Array, tokens: number): number =>
      values.subarray(0, tokens * 512).reduce((most, v, i) => Math.max(most, Math.abs(v - alone[i]!)), 0)
    const [second, longer] = [
      [99, 98, 97, 96],
      [3, 4, 5, 6, 7, 8, 9],
    ]
    // Not the same bits: products of few rows are summed in another order.
    expect(distance(await logitsOf([[7, 8, 9, 10], second]), 4)).toBeLessThanOrEqual(1e-5)
    expect(distance(await logitsOf([[7, 8, 9, 10], longer]), 4)).toBeLessThanOrEqual(1e-5)
    const other = await logitsOf([[7, 8, 9, 200]])
    expect(distance(other, 3)).toBeLessThanOrEqual(1e-5)
    expect(distance(other, 4)).toBeGreaterThan(0.1)
  })

  it.each([
    [{ input_ids: [] }, '[forward] input_ids is empty'],
    [{ input_ids: [[1], []] }, '[forward] row 1 has no token'],
    [{ input_ids: [[1, 2]], attention_mask: [[0, 0]] }, '[forward] row 0 has no token'],
    [
      { input_ids: [[1, 2]], attention_mask: [[1]] },
      '[forward] attention_mask: row 0 has 1 entries, input_ids has 2',
    ],
    [{ input_ids: [[1], [2]], labels: [[1]] }, '[forward] labels: row 1 has 0 entries, input_ids has 1'],
    [
      { input_ids: [[1, 2.5]] },
      '[forward] input_ids: row 0, position 1: got 2.5; expected an integer from 0 to 511',
    ],
    [{ input_ids: [[1, NaN]] }, '[forward] input_ids: row 0, position 1: got NaN; expected an integer'],
    [{ input_ids: [[1], [1, 512]] }, '[forward] input_ids: row 1, position 1: got 512; expected an integer'],
    [{ input_ids: [[-1]] }, '[forward] input_ids: row 0, position 0: got -1; expected an integer'],
    [{ input_ids: [['a']] as never }, "[forward] input_ids: row 0, position 0: got 'a'; expected an integer"],
    [
      { input_ids: [[1, 2]], labels: [[1, 600]] },
      '[forward] labels: row 0, position 1: got 600; expected -100 or an integer from 0 to 511',
    ],
    [
      { input_ids: [[1, 2]], labels: [[1, -5]] },
      '[forward] labels: row 0, position 1: got -5; expected -100 or an integer from 0 to 511',
    ],
  ] as [ModelInputs, string][])('%j is refused; the model goes on working', async (inputs, message) => {
    const model = await tinyModel()
    await expect(model.forward(inputs)).rejects.toThrow(message)
    await expect(model.forward_backward({ labels: inputs.input_ids, ...inputs })).rejects.toThrow(
      message.replace('[forward]', '[forward_backward]'),
    )
    const { loss, logits } = await model.forward(randomInputs([4]))
    expect(loss).toBeGreaterThan(4)
    logits.dispose()
  })

  it('a sequence longer than max_position_embeddings is computed all the same', async () => {
    const model = await tinyModel()
    const { loss, logits } = await model.forward(randomInputs([300]))
    expect(loss).toBeGreaterThan(4)
    logits.dispose()
  })
})

describe('forward_backward', () => {
  it.each([
    [
      { input_ids: [1, 2, 3, 512] },
      'input_ids: row 1, position 1: got 512; expected an integer from 0 to 511',
    ],
    [{ input_ids: [1, 2.5, 3, 4] }, 'input_ids: row 0, position 1: got 2.5'],
    [{ input_ids: Int32Array.of(-7, 2, 3, 4) }, 'input_ids: row 0, position 0: got -7'],
    [{ labels: [1, 2, -1, 4] }, 'labels: row 1, position 0: got -1; expected -100 or an integer from 0'],
    [{ labels: [1, 2] }, 'labels has 2 entries, input_ids has 4'],
    [{ position_ids: [0, 1, 0, NaN] }, 'position_ids: row 1, position 1: got NaN; expected an integer of 0'],
    [{ cu_seqlens: [0, 2] }, 'cu_seqlens: got 0, 2; expected 0, the end of each sequence, and 4 at the end'],
    [{ cu_seqlens: [0, 5, 4] }, 'cu_seqlens: 4 follows 5'],
  ])('refuses a packed batch with %j', async (wrong, message) => {
    const model = await tinyPeft()
    const ids = Int32Array.of(1, 2, 3, 4)
    const batch = {
      ...{ input_ids: ids, labels: ids, position_ids: Int32Array.of(0, 1, 0, 1) },
      cu_seqlens: Int32Array.of(0, 2, 4),
    }
    await expect(model.forward_backward({ ...batch, ...wrong } as never)).rejects.toThrow(
      `[forward_backward] ${message}`,
    )
    expect((await model.forward_backward(batch)).num_items).toBe(2)
  })

  it('padding and its labels may hold anything', async () => {
    const model = await tinyPeft()
    const rows = { input_ids: [[5, 6, 7, -1]], labels: [[5, 6, 7, 9999]], attention_mask: [[1, 1, 1, 0]] }
    expect((await model.forward_backward(rows)).num_items).toBe(2)
  })

  it('needs something to learn', async () => {
    const model = await tinyPeft()
    const { input_ids } = randomInputs([5])
    const message = '[forward_backward] nothing to learn: give labels, and not all of them -100'
    await expect(model.forward_backward({ input_ids })).rejects.toThrow(message)
    await expect(model.forward_backward({ input_ids: [[1]], labels: [[1]] })).rejects.toThrow(message)
    expect(model.parameters().filter((p) => p.grad)).toEqual([])
  })

  it('accumulates into .grad of named_parameters', async () => {
    const model = await tinyPeft()
    const inputs = randomInputs([5, 8])
    const { loss, num_items } = await model.forward_backward(inputs)
    expect(num_items).toBe(4 + 7)
    const [name, parameter] = model.named_parameters()[0]!
    expect(name).toBe('base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight')
    expect([parameter.grad!.shape, parameter.grad!.dtype]).toEqual([parameter.data.shape, 'float32'])
    const once = await parameter.grad!.data()
    expect((await model.forward_backward(inputs)).loss).toBe(loss)
    const twice = await parameter.grad!.data()
    twice.forEach((v, i) => expect(Math.abs(v - 2 * once[i]!)).toBeLessThanOrEqual(1e-6))
    expect(model.base_model.named_parameters().map(([n]) => n)).toEqual(
      model.named_parameters().map(([n]) => n),
    )
  })

  it('leaves nothing but the gradients in memory', async () => {
    const model = await tinyPeft()
    const before = await liveBytes()
    await model.forward_backward(randomInputs([5, 8]))
    const gradients = model.parameters().reduce((n, p) => n + p.grad!.nbytes, 0)
    expect(await liveBytes()).toBeLessThanOrEqual(before + gradients)
    for (const p of model.parameters()) p.zeroGrad()
    expect(await liveBytes()).toBeLessThanOrEqual(before)
  })
})
