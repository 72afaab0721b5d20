import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { SFTInit } from '../../src/trainer/options.generated'
import { temporaryFolder } from '../files/support/temporary'
import { golden } from '../support/shared'
import { adapterBytes, dropping, figures } from './stoppable'
import { sharedTokenizer, texts, tinyTrainer } from './tiny'

const library = resolve(__dirname, '../../dist/index.js')
const missing = existsSync(library) ? '' : `: ${library} is missing, run npm run build`

/** The run of tinyTrainer in another process, with `hook` before its train(). Its exit's signal. */
async function inChild(args: SFTInit, hook: string, resumes = false): Promise<string | null> {
  const tokenizer = await temporaryFolder()
  await (await sharedTokenizer()).save_pretrained(tokenizer)
  const config = {
    ...{ per_device_train_batch_size: 2, learning_rate: 1e-3, bf16: false, gradient_checkpointing: false },
    ...{ logging_steps: 1, max_length: 48, disable_tqdm: true, report_to: 'none', ...args },
  }
  const script = `
    const q = require(${JSON.stringify(library)})
    const { disk } = require(${JSON.stringify(join(library, '../files/disk.js'))})
    async function main() {
      const callback = {}
      const trainer = new q.SFTTrainer({
        model: await q.AutoModelForCausalLM.from_pretrained(${JSON.stringify(golden('tiny-llama'))}),
        processing_class: await q.AutoTokenizer.from_pretrained(${JSON.stringify(tokenizer)}),
        train_dataset: q.Dataset.from_list(${JSON.stringify(texts(8).to_list())}),
        peft_config: new q.LoraConfig({ r: 4, lora_alpha: 8, lora_dropout: 0.2, target_modules: ['q_proj', 'v_proj'] }),
        args: new q.SFTConfig(${JSON.stringify(config)}),
        callbacks: [callback],
      })
      ${hook}
      await trainer.train(${resumes ? '{ resume_from_checkpoint: true }' : ''})
    }
    main().catch((error) => { console.error(error); process.exit(3) })`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr.on('data', (chunk) => (errors += String(chunk)))
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  if (code !== null && code !== 0) throw new Error(errors)
  return signal
}

const checkpoints = async (folder: string): Promise<string[]> =>
  (await readdir(folder).catch(() => [])).filter((name) => name.startsWith('checkpoint-'))

describe.skipIf(missing)(`a run whose process ends${missing}`, () => {
  it.each(['SIGTERM', 'SIGHUP'])(
    '%s: saved at the step boundary, resumed with the same bits',
    async (signal) => {
      const args: SFTInit = { max_steps: 8, save_strategy: 'steps', save_steps: 1000 }
      const whole = await tinyTrainer(args, { peft_config: dropping() })
      await whole.train()
      const output_dir = join(await temporaryFolder(), 'run')
      const hook = `callback.on_step_end = (_, { global_step }) => {
      if (global_step === 3) process.kill(process.pid, '${signal}')
    }`
      expect(await inChild({ ...args, output_dir }, hook)).toBe(signal)
      const [name, ...others] = await checkpoints(output_dir)
      expect(others).toEqual([])
      expect(name).toMatch(/^checkpoint-[34]$/)
      expect(await readdir(output_dir)).not.toContain('.run.lock')
      const other = await tinyTrainer({ ...args, output_dir }, { peft_config: dropping() })
      await other.train({ resume_from_checkpoint: true })
      expect(figures(other)).toEqual(figures(whole))
      expect(await adapterBytes(other)).toEqual(await adapterBytes(whole))
    },
  )

  it('SIGKILL at calls of the disk, in saves and in resuming: the same bits', async () => {
    const args: SFTInit = { max_steps: 6, save_strategy: 'steps', save_steps: 1, save_total_limit: 2 }
    const whole = await tinyTrainer(args, { peft_config: dropping() })
    await whole.train()
    const output_dir = join(await temporaryFolder(), 'run')
    for (const n of [30, 61, 83, 112]) {
      const hook = `let calls = 0
      for (const [name, real] of Object.entries(disk))
        disk[name] = (...given) => {
          if (++calls === ${n}) process.kill(process.pid, 'SIGKILL')
          return real(...given)
        }`
      const resumes = (await checkpoints(output_dir)).length > 0
      expect(await inChild({ ...args, output_dir }, hook, resumes), `${n}`).toBe('SIGKILL')
    }
    expect(await checkpoints(output_dir)).not.toEqual([])
    const other = await tinyTrainer({ ...args, output_dir }, { peft_config: dropping() })
    await other.train({ resume_from_checkpoint: true })
    expect(figures(other)).toEqual(figures(whole))
    expect(await adapterBytes(other)).toEqual(await adapterBytes(whole))
    const left = (await readdir(output_dir)).filter((name) => /\.(tmp|old|lock)$/.test(name))
    expect(left).toEqual([])
  })
})
