import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { temporaryFolder } from '../files/support/temporary'
import { tinyTrainer } from '../trainer/tiny'
import { missing } from './ranks'
import { startTraining, trained } from './training'

const dist = resolve(__dirname, '../../dist')
/** mpirun lets ranks go on when another has ended, and answers 0: what tells them is ours. */
const alone = { OMPI_MCA_orte_enable_recovery: '1' }

interface Ended {
  code: number | null
  stderr: string
  seconds: number
  output_dir: string
}

/** A run with a fault, which has to end within 30 s after it began; none of its processes is left. */
async function faulty(
  n: number,
  hook: string,
  args: Record<string, unknown> = {},
  env: Record<string, string> = {},
): Promise<Ended> {
  const output_dir = join(await temporaryFolder(), 'run')
  const pids = await temporaryFolder()
  const withPid = `(given) => {
    writeFileSync(${JSON.stringify(pids)} + '/' + process.pid, '')
    return (${hook})(given)
  }`
  const all = { output_dir, max_steps: 60, ddp_timeout: 20, save_strategy: 'steps', save_steps: 2, ...args }
  const { done } = await startTraining(n, { args: all as never, hook: withPid }, pids, env)
  const { code, stderr, seconds } = await done
  const pidsLeft = async (): Promise<string[]> =>
    (await readdir(pids)).filter((pid) => /^\d+$/.test(pid) && existsSync(`/proc/${pid}`))
  // mpirun does not wait for those that it has told to end.
  for (let tries = 0; tries < 100 && (await pidsLeft()).length > 0; tries++) await sleep(100)
  expect(await pidsLeft()).toEqual([])
  return { code, stderr, seconds, output_dir }
}

/** The last checkpoint is whole: a process alone goes on from it. */
async function requireWhole(output_dir: string, n: number): Promise<number> {
  const [rank] = await trained(1, {
    args: {
      output_dir,
      gradient_accumulation_steps: n,
      max_steps: 60,
      save_strategy: 'steps',
      save_steps: 2,
    },
    hook: `({ callback }) => { callback.on_train_begin = (_, { global_step }, control) => {
      if (global_step === 0) throw new Error('began anew')
      control.should_training_stop = true
    } }`,
    options: '{ resume_from_checkpoint: true }',
  })
  return rank!.steps
}

const atStep = (rank: number, step: number, what: string): string => `({ rank, callback }) => {
  callback.on_step_end = (_, { global_step }) => { if (rank === ${rank} && global_step === ${step}) { ${what} } }
}`

describe.skipIf(missing)(`faults of a rank${missing}`, { timeout: 120_000 }, () => {
  it.each([
    [0, 3],
    [1, 4],
    [1, 5],
  ])(
    'rank %i is killed after step %i: the others say so, and the last checkpoint is whole',
    async (rank, step) => {
      const { stderr, seconds, output_dir } = await faulty(
        2,
        atStep(rank, step, `process.kill(process.pid, 'SIGKILL')`),
        {},
        alone,
      )
      expect(stderr).toMatch(
        rank === 0
          ? '[distributed] rank 0 ended: it was killed, or ended without a word'
          : /\[distributed\] rank 1 \(process \d+ on \S+\) ended: it was killed, or ended without a word/,
      )
      expect(seconds).toBeLessThan(30)
      // It had not saved that step yet.
      expect(await requireWhole(output_dir, 2)).toBe(2 * Math.floor((step - 1) / 2))
    },
  )

  it('a rank is killed, and mpirun ends the others', async () => {
    const { code, stderr, seconds, output_dir } = await faulty(
      2,
      atStep(1, 5, `process.kill(process.pid, 'SIGKILL')`),
    )
    expect(stderr).toMatch(/rank 1 with PID \d+ .*exited on signal 9|rank 1 \(process \d+ on \S+\) ended/)
    expect(code).not.toBe(0)
    expect(seconds).toBeLessThan(30)
    expect(await requireWhole(output_dir, 2)).toBe(4)
  })

  it('a rank that stands still: named after ddp_timeout', async () => {
    const { code, stderr } = await faulty(2, atStep(1, 3, `process.kill(process.pid, 'SIGSTOP')`), {
      ddp_timeout: 4,
    })
    expect(stderr).toMatch(/\[distributed\] rank 1 \(process \d+ on \S+\) did not come to .* within 4 s/)
    expect(code).not.toBe(0)
  })

  it('a rank that is late: named after ddp_timeout', async () => {
    const { code, stderr } = await faulty(
      2,
      `({ rank }) => rank === 1 && new Promise((resolve) => setTimeout(resolve, 30_000))`,
      { ddp_timeout: 4 },
    )
    expect(stderr).toContain('[distributed] rank 1 of 2 did not come within 4 s')
    expect(code).not.toBe(0)
  })

  it.each([
    ['arguments', `config.learning_rate = 0.5`, 'learning_rate is 0.5, rank 0 has 0.01'],
    [
      'an adapter',
      `options.peft_config = new q.LoraConfig({ r: 8, target_modules: 'all-linear' })`,
      'LoraConfig.r is 8; rank 0 has 4',
    ],
    ['rows', `data[7] = { text: 'other' }`, 'the tokenized rows of train_dataset are not those of rank 0'],
    [
      'a library',
      `require(${JSON.stringify(join(dist, 'trainer/versions.js'))}).versions = () => ({ qlora: '0.0.9', 'Node.js': process.versions.node })`,
      'qlora is 0.0.9, rank 0 has ',
    ],
  ])('other %s on a rank: every rank says which and what', async (_, change, text) => {
    const { code, stderr } = await faulty(
      2,
      `({ rank, config, options, data, q }) => { if (rank === 1) { ${change} } }`,
    )
    expect(stderr).toContain(`rank 1 is not about to do the same as rank 0: `)
    expect(stderr).toContain(text)
    expect(code).not.toBe(0)
  })

  it('no space for the checkpoint of rank 0: every rank says so', async () => {
    const fault = `({ rank, callback }) => {
      const { disk } = require(${JSON.stringify(join(dist, 'files/disk.js'))})
      callback.on_step_begin = (_, { global_step }) => {
        if (rank !== 0 || global_step !== 3) return
        disk.rename = () => Promise.reject(Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' }))
      }
    }`
    const { code, stderr, output_dir } = await faulty(2, fault)
    expect(stderr).toMatch(/\[distributed\] rank 0 \(process \d+ on \S+\) failed: .*no space left/)
    expect(code).not.toBe(0)
    expect(await requireWhole(output_dir, 2)).toBe(2)
  })

  it('a callback that throws on one rank: every rank says so', async () => {
    const { stderr } = await faulty(2, atStep(1, 3, `throw new RangeError('out of memory')`))
    expect(stderr).toMatch(/\[distributed\] rank 1 \(process \d+ on \S+\) failed: out of memory/)
  })

  it('a rank that is asked to end: all stop at the same step and rank 0 saves', async () => {
    const { output_dir } = await faulty(2, atStep(1, 5, `process.kill(process.pid, 'SIGTERM')`), {
      save_steps: 1000,
    })
    expect(await readdir(output_dir)).toContain('checkpoint-5')
  })

  it('without mpirun: a process alone is told what starts ranks', async () => {
    const names = ['RANK', 'WORLD_SIZE', 'LOCAL_RANK'] as const
    const given = ['0', '2', '0']
    names.forEach((name, i) => (process.env[name] = given[i]))
    try {
      const trainer = await tinyTrainer()
      await expect(trainer.train()).rejects.toThrow(
        '[init_process_group] ranks on CPUs meet over MPI, which torchrun does not start: use mpirun -n 2 node SCRIPT',
      )
    } finally {
      for (const name of names) delete process.env[name]
    }
  })
})
