import { describe, expect, it } from 'vitest'
import '../../src/export/mixin'
import { AutoModelForCausalLM } from '../../src/models/auto'
import type { CausalLM } from '../../src/models/causal-lm'
import { Linear } from '../../src/nn/linear'
import { Linear4bit } from '../../src/nn/linear4bit'
import { LoraConfig, type LoraInit } from '../../src/peft/config'
import { get_peft_model, type PeftModel } from '../../src/peft/model'
import { BitsAndBytesConfig } from '../../src/quantization/config'
import { quantizeWeight } from '../../src/quantization/quantize'
import { dequantizeWeight } from '../../src/quantization/weight-4bit'
import { Tensor } from '../../src/tensor/tensor'
import { anyUpdate } from '../export/support'
import { golden } from '../support/shared'
import { liveBytes, randomBatch, randomInputs, tinyPeft } from '../models/tiny'

const inputs = randomInputs([12, 7])

async function logitsOf(model: Pick<CausalLM, 'forward'>): Promise<Float32Array> {
  const { logits } = await model.forward(inputs)
  return logits.data().finally(() => logits.dispose())
}

function farthest(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, v, i) => (Math.abs(v - b[i]!) <= most ? most : Math.abs(v - b[i]!)), 0)
}

const quantization_config = (): BitsAndBytesConfig =>
  new BitsAndBytesConfig({
    ...{ load_in_4bit: true, bnb_4bit_quant_type: 'nf4', bnb_4bit_use_double_quant: true },
    bnb_4bit_compute_dtype: 'float32',
  })

/** tiny-llama in NF4 with an adapter whose B is not zero. */
async function quantizedPeft(lora: LoraInit = {}): Promise<PeftModel> {
  const model = await AutoModelForCausalLM.from_pretrained(golden('tiny-llama'), {
    ...{ dtype: 'float32', quantization_config: quantization_config() },
  })
  return get_peft_model(model, anyUpdate(lora), { seed: 7 })
}

describe('merge_adapter', () => {
  it.each([{}, { use_dora: true }, { modules_to_save: ['lm_head'] }] as const)(
    'in full precision, %j: the answers stay, and unmerge_adapter gives the same bits back',
    async (lora) => {
      const model = await tinyPeft(structuredClone(lora) as LoraInit)
      const before = await liveBytes()
      const adapted = await logitsOf(model)
      await model.merge_adapter()
      const merged = await logitsOf(model)
      expect(merged).not.toEqual(adapted)
      expect(farthest(merged, adapted)).toBeLessThanOrEqual(2e-4)
      expect([...model.base_model.linearSlots()][0]!.get()).toBeInstanceOf(Linear)
      model.unmerge_adapter()
      expect(await logitsOf(model)).toEqual(adapted)
      expect(await liveBytes()).toBeLessThanOrEqual(before)
      model.unmerge_adapter() // nothing to undo
    },
  )

  it('in 4 bits: dequantized, added, quantized again; undone bit for bit', async () => {
    const model = await quantizedPeft()
    const slot = [...model.base_model.linearSlots()][2]!
    const layer = slot.get() as unknown as { base: Linear4bit }
    const [a, b] = ['A', 'B'].map(
      (which) =>
        model.named_parameters().find(([name]) => name.endsWith(`${slot.name}.lora_${which}.weight`))![1]
          .data,
    )
    const [rows, columns] = layer.base.weight.shape
    const [base, A, B] = await Promise.all([dequantizeWeight(layer.base.weight), a!, b!].map((t) => t.data()))
    const sum = base!.map((w, at) => {
      const [i, j] = [Math.floor(at / columns), at % columns]
      let update = 0
      for (let k = 0; k < 4; k++) update += B![i * 4 + k]! * A![k * columns + j]!
      return w + 0.5 * update
    })
    const expected = quantizeWeight(Tensor.from(sum, { shape: [rows, columns] }), {
      compress_statistics: true,
    })
    const adapted = await logitsOf(model)
    await model.merge_adapter()
    const merged = slot.get() as Linear4bit
    expect(merged).toBeInstanceOf(Linear4bit)
    const [ours, theirs] = await Promise.all([merged.weight, expected].map((w) => w.codes.bytes()))
    const differing = ours!.filter((code, i) => code !== theirs![i]).length
    expect(differing).toBeLessThanOrEqual(2) // a sum in another order may lie on the other side of a code's border
    expect(merged.weight.quantType).toBe('nf4')
    expect(await logitsOf(model)).not.toEqual(adapted)
    model.unmerge_adapter()
    expect(await logitsOf(model)).toEqual(adapted)
    model.dispose()
  })

  it('while it is merged the base alone can answer, and nothing trains', async () => {
    const model = await quantizedPeft()
    const bare = await model.disable_adapter(() => logitsOf(model))
    await model.merge_adapter({ dtype: 'float32' })
    const merged = await logitsOf(model)
    expect(await model.disable_adapter(() => logitsOf(model))).toEqual(bare)
    expect(await logitsOf(model)).toEqual(merged)
    expect(() => model.forward_backward(randomBatch([5]))).toThrow('call unmerge_adapter() before training')
    await expect(model.merge_adapter()).rejects.toThrow('merged already')
    model.dispose()
  })

  it('safe_merge refuses a weight that is not finite, and leaves the model as it was', async () => {
    const model = await tinyPeft()
    const adapted = await logitsOf(model)
    const [, broken] = model.named_parameters().at(-1)!
    const values = await broken.data.data()
    broken.data.write(new Uint8Array(Float32Array.of(NaN, ...values.slice(1)).buffer))
    await expect(model.merge_adapter({ safe_merge: true })).rejects.toThrow(
      "the merged weight of 'model.layers.2.mlp.down_proj' is not finite",
    )
    broken.data.write(new Uint8Array(values.buffer))
    expect(await logitsOf(model)).toEqual(adapted)
  })

  it('a wrong option is named', async () => {
    const model = await tinyPeft()
    await expect(model.merge_adapter({ base_weights: 'orignal' } as never)).rejects.toThrow(
      "base_weights: got 'orignal', needs one of 'dequantized', 'original'",
    )
    await expect(model.merge_and_unload({ adapter_names: ['a'] } as never)).rejects.toThrow(
      'a model has one adapter',
    )
  })
})

describe('merge_and_unload of a base in 4 bits', () => {
  it('into full layers: as the adapter on the base answered', async () => {
    const before = await liveBytes()
    const model = await quantizedPeft({ use_dora: true })
    const adapted = await logitsOf(model)
    const base = await model.merge_and_unload({ dtype: 'float32' })
    expect(base.quantization_config).toBeUndefined()
    expect(farthest(await logitsOf(base), adapted)).toBeLessThanOrEqual(2e-4)
    base.dispose()
    expect(await liveBytes()).toBeLessThanOrEqual(before)
  })

  it('from the original weights: as the adapter on the float32 model', async () => {
    const full = await AutoModelForCausalLM.from_pretrained(golden('tiny-llama'), { dtype: 'float32' })
    const model = await quantizedPeft()
    const other = get_peft_model(full, model.peft_config, { seed: 7 })
    const base = await model.merge_and_unload({ base_weights: 'original', dtype: 'float32' })
    expect(farthest(await logitsOf(base), await logitsOf(other))).toBeLessThanOrEqual(2e-4)
    base.dispose()
    other.dispose()
  })

  it('of some layers: what is full and what is in 4 bits is known afterwards', async () => {
    const model = await quantizedPeft({ target_modules: ['v_proj'] })
    const base = await model.merge_and_unload({ dtype: 'float32' })
    expect(base.quantization_config!.llm_int8_skip_modules).toEqual([
      'lm_head',
      ...[0, 1, 2].map((i) => `model.layers.${i}.self_attn.v_proj`),
    ])
    base.dispose()
  })

  it('a checkpoint in 4 bits has no original weights', async () => {
    const base = await AutoModelForCausalLM.from_pretrained(golden('tiny-llama-nf4'))
    const model = get_peft_model(base, new LoraConfig({}))
    await expect(model.merge_and_unload({ base_weights: 'original' })).rejects.toThrow(
      "base_weights: 'original': the checkpoint",
    )
    model.dispose()
  })
})
