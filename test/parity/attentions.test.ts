import { beforeAll, describe, expect, it } from 'vitest'
import { AutoModelForCausalLM } from '../../src/models/auto'
import { golden, titled } from '../support/shared'
import { oracleNeeds, oraclePython, oracleTimeout, runOracle } from './oracle'
import { liveBytes, maxAbs } from './support'

// Plain, a window, norms of q and k, a softcap; both sides of padding.
const models = ['tiny-llama', 'tiny-mistral-swa', 'tiny-qwen3', 'tiny-gemma2']
const inputs = {
  input_ids: [
    [1, 17, 40, 93, 9, 78, 11, 45, 33, 8],
    [0, 0, 0, 1, 5, 60, 7, 19, 2, 90],
  ],
  attention_mask: [
    [1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
    [0, 0, 0, 1, 1, 1, 1, 1, 1, 1],
  ],
}

describe.skipIf(!oraclePython)(titled('forward({ output_attentions })', oraclePython, oracleNeeds), () => {
  let reference: number[][][][][][]
  beforeAll(async () => {
    reference = await runOracle('attentions.py', { folders: models.map((name) => golden(name)), ...inputs })
  }, oracleTimeout)

  it.each(models)('%s: as transformers with eager attention', async (name) => {
    const before = await liveBytes()
    const model = await AutoModelForCausalLM.from_pretrained(golden(name), { dtype: 'float32' })
    const { logits, attentions } = await model.forward({ ...inputs, output_attentions: true })
    const expected = reference[models.indexOf(name)]!
    expect(attentions!.length).toBe(expected.length)
    for (const [i, layer] of attentions!.entries()) {
      const rows = expected[i]!
      expect(layer.shape).toEqual([2, rows[0]!.length, 10, 10])
      // What padding looks at means nothing: ours is zero.
      const wanted = rows.map((heads, b) =>
        heads.map((queries) =>
          queries.map((keys, s) => keys.map((w) => (inputs.attention_mask[b]![s] ? w : 0))),
        ),
      )
      expect(maxAbs(await layer.data(), Float32Array.from(wanted.flat(3)))).toBeLessThanOrEqual(2e-6)
      layer.dispose()
    }
    logits.dispose()
    model.dispose()
    expect(await liveBytes()).toBe(before)
  })

  it('is refused where it would fill the memory', async () => {
    const model = await AutoModelForCausalLM.from_pretrained(golden('tiny-llama'), { dtype: 'float32' })
    const input_ids = [Array.from({ length: 9000 }, () => 1)]
    await expect(model.forward({ input_ids, output_attentions: true })).rejects.toThrow(
      /output_attentions: .* take .* GiB, at most 1 GiB/,
    )
    model.dispose()
  })
})
