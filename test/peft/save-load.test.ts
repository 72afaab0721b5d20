import { cp, mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { CausalLM } from '../../src/models/causal-lm'
import type { LoraInit } from '../../src/peft/config'
import { PeftModel } from '../../src/peft/model'
import { load_safetensors, save_safetensors } from '../../src/tensor/safetensors'
import { Tensor } from '../../src/tensor/tensor'
import { limitDisk } from '../files/support/disk-full'
import { temporaryFolder } from '../files/support/temporary'
import { liveBytes, randomInputs, tinyModel, tinyPeft } from '../models/tiny'

const q0 = 'base_model.model.model.layers.0.self_attn.q_proj'

async function logitsOf(model: Pick<CausalLM, 'forward'>): Promise<Float32Array> {
  const { logits } = await model.forward(randomInputs([7, 5]))
  const values = await logits.data()
  logits.dispose()
  return values
}

async function json(...path: string[]): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(join(...path), 'utf8')) as Record<string, unknown>
}

describe('round trip', () => {
  it.each([
    ['tiny-llama-nf4', { use_rslora: true, rank_pattern: { 'layers.1.mlp.up_proj': 2 } }],
    ['tiny-llama-nf4', { use_dora: true }],
    ['tiny-llama-tied', { modules_to_save: ['lm_head'], target_modules: ['q_proj'] }],
    ['tiny-llama-bias', { bias: 'all', target_modules: '.*\\.layers\\.1\\..*_proj' }],
  ] as [Parameters<typeof tinyModel>[0], LoraInit][])(
    '%s, %j: the same answers, the same files again',
    async (folder, lora) => {
      const model = await tinyPeft(lora, folder)
      for (const p of model.parameters())
        if (p.name.endsWith('.bias')) p.data.write(new Uint8Array(p.data.nbytes))
      const [first, second] = [await temporaryFolder(), await temporaryFolder()]
      await model.save_pretrained(first)
      expect((await readdir(first)).sort()).toEqual([
        'README.md',
        'adapter_config.json',
        'adapter_model.safetensors',
      ])
      const loaded = await PeftModel.from_pretrained(await tinyModel(folder, { dtype: 'float32' }), first)
      expect(loaded.named_parameters().map(([name]) => name)).toEqual(
        model.named_parameters().map(([name]) => name),
      )
      expect(await logitsOf(loaded)).toEqual(await logitsOf(model))
      await loaded.save_pretrained(second)
      for (const file of await readdir(first))
        expect(await readFile(join(second, file)), file).toEqual(await readFile(join(first, file)))
    },
  )

  it('16-bit adapters are widened, or kept', async () => {
    const model = await tinyPeft({ target_modules: ['q_proj'] }, 'tiny-llama', { dtype: 'bfloat16' })
    const folder = await temporaryFolder()
    await model.save_pretrained(folder)
    for (const [autocast_adapter_dtype, dtype] of [
      [true, 'float32'],
      [false, 'bfloat16'],
    ] as const) {
      const loaded = await PeftModel.from_pretrained(await tinyModel(), folder, { autocast_adapter_dtype })
      const [p] = loaded.parameters()
      expect(p!.data.dtype).toBe(dtype)
      expect(await p!.data.data()).toEqual(await model.parameters()[0]!.data.data())
    }
  })
})

describe('the files', () => {
  it('say what the adapter is and on which model', async () => {
    const model = await tinyPeft({ lora_alpha: 16, r: 8, use_rslora: true, lora_dropout: 0.1 })
    const folder = await temporaryFolder()
    await model.save_pretrained(folder)
    const config = await json(folder, 'adapter_config.json')
    expect(config).toMatchObject({
      ...{
        peft_type: 'LORA',
        r: 8,
        lora_alpha: 16,
        lora_dropout: 0.1,
        use_rslora: true,
        inference_mode: true,
      },
      base_model_name_or_path: model.base_model.name_or_path,
      target_modules: ['down_proj', 'gate_proj', 'k_proj', 'o_proj', 'q_proj', 'up_proj', 'v_proj'],
    })
    const card = await readFile(join(folder, 'README.md'), 'utf8')
    expect(card).toContain(`base_model: ${model.base_model.name_or_path}`)
    expect(card).toContain('Rank 8, alpha 16 (scale alpha / sqrt(r)), dropout 0.1.')
    expect(model.peft_config.inference_mode).toBe(false)
  })

  it('a full disk: the weights are named, and nothing half-written stays', async () => {
    const model = await tinyPeft()
    const folder = join(await temporaryFolder(), 'adapter')
    await limitDisk(5000)
    const file = join(folder, 'adapter_model.safetensors')
    await expect(model.save_pretrained(folder)).rejects.toThrow(`${file}: no space left on the disk`)
    expect(await readdir(folder)).toEqual([])
    await expect(PeftModel.from_pretrained(await tinyModel(), folder)).rejects.toThrow(folder)
  })

  it('a full disk: an older adapter stays as it was, config and all', async () => {
    const folder = join(await temporaryFolder(), 'adapter')
    await (await tinyPeft({ r: 2, target_modules: ['q_proj'] })).save_pretrained(folder)
    const contents = async (): Promise<Record<string, Buffer>> => {
      const names = (await readdir(folder)).sort()
      return Object.fromEntries(
        await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))] as const)),
      )
    }
    const before = await contents()
    const model = await tinyPeft()
    await limitDisk(5000)
    await expect(model.save_pretrained(folder)).rejects.toThrow('no space left on the disk')
    expect(await contents()).toEqual(before)
  })

  it('a config that cannot be written: the older weights stay', async () => {
    const folder = join(await temporaryFolder(), 'adapter')
    await (await tinyPeft({ r: 2, target_modules: ['q_proj'] })).save_pretrained(folder)
    const weights = join(folder, 'adapter_model.safetensors')
    const before = await readFile(weights)
    await rm(join(folder, 'adapter_config.json'))
    await mkdir(join(folder, 'adapter_config.json'))
    await expect((await tinyPeft()).save_pretrained(folder)).rejects.toThrow(
      /adapter_config\.json: could not be written/,
    )
    expect(await readFile(weights)).toEqual(before)
    expect((await readdir(folder)).sort()).toEqual([
      'README.md',
      'adapter_config.json',
      'adapter_model.safetensors',
    ])
  })

  it('a folder that cannot be made', async () => {
    const model = await tinyPeft()
    const file = join(await temporaryFolder(), 'file')
    await writeFile(file, '')
    await expect(model.save_pretrained(join(file, 'adapter'))).rejects.toThrow('ENOTDIR')
  })
})

describe('adapters that do not fit', () => {
  /** A good adapter folder, changed. */
  async function changed(
    tensors: (stored: Record<string, Tensor>) => Record<string, Tensor>,
    config: Record<string, unknown> = {},
  ): Promise<string> {
    const folder = await temporaryFolder()
    await (await tinyPeft({ target_modules: ['q_proj'] })).save_pretrained(folder)
    const path = join(folder, 'adapter_model.safetensors')
    const stored = await load_safetensors(path)
    await save_safetensors(path, tensors(stored))
    for (const t of Object.values(stored)) t.dispose()
    const file = join(folder, 'adapter_config.json')
    await writeFile(file, JSON.stringify({ ...(await json(file)), ...config }))
    return folder
  }

  /** Loading must fail with this text and leave the model as it was. */
  async function fails(folder: string, message: string): Promise<void> {
    const base = await tinyModel()
    const before = await liveBytes()
    await expect(PeftModel.from_pretrained(base, folder)).rejects.toThrow(message)
    expect(base.parameters()).toEqual([])
    expect(await liveBytes()).toBeLessThanOrEqual(before)
  }

  it.each([
    [
      'a missing tensor',
      ({ [`${q0}.lora_A.weight`]: _, ...rest }) => rest,
      {},
      `adapter_model.safetensors: has no '${q0}.lora_A.weight', which its adapter_config.json asks for`,
    ],
    [
      'a tensor too many',
      (stored) => ({
        ...stored,
        'base_model.model.model.layers.9.mlp.up_proj.lora_A.weight': stored[`${q0}.lora_A.weight`]!,
      }),
      {},
      "the model has no place for 'base_model.model.model.layers.9.mlp.up_proj.lora_A.weight'",
    ],
    [
      'another rank',
      (stored) => stored,
      { r: 8 },
      `'${q0}.lora_A.weight' has shape (4, 64); the model needs (8, 64)`,
    ],
    [
      'other targets',
      (stored) => stored,
      { target_modules: ['k_proj'] },
      "has no 'base_model.model.model.layers.0.self_attn.k_proj.lora_A.weight'",
    ],
    [
      'targets of another model',
      (stored) => stored,
      { target_modules: ['c_attn'] },
      'matches no linear layer. This model has: q_proj',
    ],
    ['another kind', (stored) => stored, { peft_type: 'IA3' }, "peft_type: got 'IA3', needs"],
    [
      'what is not built',
      (stored) => stored,
      { layer_replication: [[0, 2]] },
      'layer_replication = [[0,2]] is not supported',
    ],
  ] as [string, (stored: Record<string, Tensor>) => Record<string, Tensor>, object, string][])(
    '%s',
    async (_, tensors, config, message) => {
      await fails(await changed(tensors, config as Record<string, unknown>), message)
    },
  )

  it('integers in place of floats', async () => {
    const ints = Tensor.from(new Int32Array(4 * 64), { shape: [4, 64] })
    await fails(await changed((stored) => ({ ...stored, [`${q0}.lora_A.weight`]: ints })), 'int32')
    ints.dispose()
  })

  it('a folder without an adapter, or none at all', async () => {
    const folder = await temporaryFolder()
    await fails(folder, `${folder}: has no adapter_config.json; is it an adapter?`)
    await fails('./nowhere', "'./nowhere' is neither a folder nor a repository id")
  })

  it('broken files', async () => {
    const folder = await changed((stored) => stored)
    const other = await temporaryFolder()
    await cp(folder, other, { recursive: true })
    await truncate(join(folder, 'adapter_model.safetensors'), 100)
    await fails(folder, 'the file is truncated or no safetensors file')
    await writeFile(join(other, 'adapter_config.json'), '{ "r": 4,')
    await fails(other, `${join(other, 'adapter_config.json')}: not valid JSON`)
  })

  it('unknown options name the nearest; is_trainable asks for nothing', async () => {
    const folder = await changed((stored) => stored)
    const load = async (options: object): Promise<PeftModel> =>
      PeftModel.from_pretrained(await tinyModel(), folder, options)
    await expect(load({ cachedir: 'x' })).rejects.toThrow(
      "[PeftModel.from_pretrained] unknown option 'cachedir'. Did you mean 'cache_dir'?",
    )
    await expect(load({ adapter_name: 3 as never })).rejects.toThrow('adapter_name: got 3, needs a text')
    for (const is_trainable of [true, false])
      expect((await load({ is_trainable })).parameters().length).toBe(6)
  })
})

it('saving over an earlier adapter replaces it', async () => {
  const folder = join(await temporaryFolder(), 'adapter')
  await mkdir(folder)
  await (await tinyPeft({ r: 2 })).save_pretrained(folder)
  const model = await tinyPeft({ r: 4, target_modules: ['v_proj'] })
  await model.save_pretrained(folder)
  expect(await logitsOf(await PeftModel.from_pretrained(await tinyModel(), folder))).toEqual(
    await logitsOf(model),
  )
})
