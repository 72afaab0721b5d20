import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exportCommand, mergeCommand } from '../../src/cli/merge'
import { openGguf } from '../../src/files/gguf'
import { temporaryFolder } from '../files/support/temporary'
import { adapted, farthest, load, logitsOf, tokenizerOf } from '../export/support'
import { golden } from '../support/shared'

const terminal = { input: new PassThrough(), output: new PassThrough() }
let adapter: string

beforeAll(async () => {
  adapter = await mkdtemp(join(tmpdir(), 'qlora-adapter-'))
})
afterAll(() => rm(adapter, { recursive: true, force: true }))

/** The adapter's folder, its base named by path. */
async function saved(): Promise<Float32Array> {
  const peft = await adapted('tiny-llama')
  const expected = await logitsOf(peft)
  await peft.save_pretrained(adapter)
  await (await tokenizerOf(265)).save_pretrained(adapter)
  return expected
}

describe('qlora merge and export', () => {
  it('an adapter folder: its base is read from the checkpoint as it is written', async () => {
    const expected = await saved()
    const out = join(await temporaryFolder(), 'merged')
    expect(await mergeCommand([adapter, '--output_dir', out, '--max_shard_size', '200KB'], terminal)).toBe(0)
    expect((await readdir(out)).filter((file) => file.startsWith('model-')).length).toBeGreaterThan(2)
    expect(farthest(await logitsOf(await load(out)), expected)).toBeLessThanOrEqual(3e-4)
    expect(
      await exportCommand([adapter, '--output_dir', out, '--quantization_method', 'F32'], terminal),
    ).toBe(0)
    const file = await openGguf(join(out, 'tiny-llama.F32.gguf'))
    expect(file.metadata['tokenizer.chat_template']).toBeDefined()
    expect(await readFile(join(out, 'Modelfile'), 'utf8')).toContain('FROM ./tiny-llama.F32.gguf')
    const again = await load(out, { gguf_file: 'tiny-llama.F32.gguf' })
    expect(farthest(await logitsOf(again), expected)).toBeLessThanOrEqual(3e-4)
  })

  it('into 4 bits, and through the weights in 4 bits', async () => {
    await saved()
    const out = await temporaryFolder()
    await mergeCommand([adapter, '--output_dir', out, '--save_method', 'merged_4bit'], terminal)
    expect((await load(out)).quantization_config?.bnb_4bit_quant_type).toBe('nf4')
    const other = await temporaryFolder()
    const words = ['--base_weights', 'dequantized', '--load_in_4bit', '--device_map', 'cpu']
    await mergeCommand([adapter, '--output_dir', other, ...words], terminal)
    expect((await load(other)).quantization_config).toBeUndefined()
  })

  it('an adapter for another model, and options that are none', async () => {
    await saved()
    const path = join(adapter, 'adapter_config.json')
    const config = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
    await writeFile(path, JSON.stringify({ ...config, base_model_name_or_path: golden('tiny-qwen2') }))
    const out = await temporaryFolder()
    await expect(mergeCommand([adapter, '--output_dir', out], terminal)).rejects.toThrow(
      "the adapter is another model's",
    )
    expect(await readdir(out)).toEqual([])
    await expect(mergeCommand([adapter], terminal)).rejects.toThrow('output_dir is missing')
    await expect(
      exportCommand([adapter, '--output_dir', out, '--quantization', 'x'], terminal),
    ).rejects.toThrow('quantization_method')
  })
})
