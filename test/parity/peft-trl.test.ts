import { describe, expect, it } from 'vitest'
import { AutoModelForCausalLM } from '../../src/models/auto'
import { PeftModel } from '../../src/peft/model'
import { BitsAndBytesConfig } from '../../src/quantization/config'
import { golden, sharedPath, titled } from '../support/shared'
import { goldenTensors, maxAbs, numbers, rowsOf } from './support'

// The adapters of the 50-step runs (golden/sft_run), as TRL saved them, on the base quantized here at load.

const stories = sharedPath('data', 'stories260k')

describe.skipIf(!stories)(titled('adapters that TRL saved', stories, 'data/stories260k'), () => {
  it.each([
    ['replay_f32', 5e-5],
    // PEFT rounds both products of a bf16 adapter to bf16, this library only the first.
    ['replay_bf16_adapter', 3e-3],
  ] as const)('%s', async (run, tolerance) => {
    const quantization_config = new BitsAndBytesConfig({ load_in_4bit: true, bnb_4bit_quant_type: 'nf4' })
    const base = await AutoModelForCausalLM.from_pretrained(stories!, { quantization_config })
    const model = await PeftModel.from_pretrained(base, golden('sft_run', run, 'adapter'), {
      autocast_adapter_dtype: false,
    })
    const after = await goldenTensors('sft_run', run, 'after.safetensors')
    const { logits } = await model.forward({ input_ids: rowsOf(after.get('prompt')!) })
    expect(maxAbs(await numbers(logits), after.get('logits.nf4_adapter')!.data)).toBeLessThanOrEqual(
      tolerance,
    )
    logits.dispose()
    model.dispose()
  })

  it('merges into the float32 base', async () => {
    const folder = golden('sft_run', 'replay_f32', 'adapter')
    const base = await AutoModelForCausalLM.from_pretrained(stories!)
    const merged = await (await PeftModel.from_pretrained(base, folder)).merge_and_unload()
    const after = await goldenTensors('sft_run', 'replay_f32', 'after.safetensors')
    const { logits } = await merged.forward({ input_ids: rowsOf(after.get('prompt')!) })
    expect(maxAbs(await numbers(logits), after.get('logits.merged_f32')!.data)).toBeLessThanOrEqual(5e-5)
    expect(merged.named_parameters()).toEqual([])
    logits.dispose()
    merged.dispose()
  })
})
