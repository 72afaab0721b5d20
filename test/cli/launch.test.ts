import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { delimiter, join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { temporaryFolder } from '../files/support/temporary'

const root = resolve(__dirname, '../..')
const main = join(root, 'dist/cli/main.js')
const torchrun = join(root, '.cache/oracle/bin/torchrun')
const missing = existsSync(main) ? '' : `: ${main} is missing, run npm run build`
const noMpirun = missing || (spawnSync('mpirun', ['--version']).status === 0 ? '' : ': mpirun is missing')
const noTorchrun = missing || (existsSync(torchrun) ? '' : ': torchrun of the oracle environment is missing')

interface Ended {
  code: number | null
  stdout: string
  stderr: string
  seconds: number
}

async function launch(args: string[], env: Record<string, string> = {}): Promise<Ended> {
  const start = performance.now()
  const child = spawn(process.execPath, [main, 'launch', ...args], { env: { ...process.env, ...env } })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk) => (stdout += String(chunk)))
  child.stderr.on('data', (chunk) => (stderr += String(chunk)))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr, seconds: (performance.now() - start) / 1000 }
}

async function script(text: string, name = 'script.cjs'): Promise<string> {
  const path = join(await temporaryFolder(), name)
  await writeFile(path, text)
  return path
}

/** Each rank writes what it is told: the lines of several could mix. */
const placeOfRank = `
  const { PartialState } = require(${JSON.stringify(join(root, 'dist/index.js'))})
  const { process_index, local_process_index, num_processes, is_main_process } = new PartialState()
  require('node:fs').writeFileSync(process.argv[2] + '/' + process_index, JSON.stringify([local_process_index, num_processes, is_main_process]))`

async function places(n: number, args: string[], env: Record<string, string> = {}): Promise<unknown[]> {
  const folder = await temporaryFolder()
  const { code, stderr } = await launch(
    ['--nproc', String(n), ...args, await script(placeOfRank), folder],
    env,
  )
  expect(code, stderr).toBe(0)
  const told = Array.from({ length: n }, (_, rank) => readFile(join(folder, String(rank)), 'utf8'))
  return (await Promise.all(told)).map((text) => JSON.parse(text) as unknown)
}

const three = [
  [0, 3, true],
  [1, 3, false],
  [2, 3, false],
]

describe.skipIf(missing)(`qlora launch${missing}`, () => {
  it('local: ranks of its own, with the first one output', async () => {
    expect(await places(3, ['--launcher', 'local'])).toEqual(three)
    const { stdout } = await launch([
      ...['--nproc=2', '--launcher=local'],
      await script(`console.log('rank', process.env.RANK, process.argv[2])`),
      'given',
    ])
    expect(stdout).toBe('rank 0 given\n')
  })

  it('local: a rank that fails ends the others, and its code is the answer', async () => {
    const path = await script(`process.env.RANK === '1' ? process.exit(7) : setTimeout(() => {}, 60_000)`)
    const { code, seconds } = await launch(['--nproc', '3', '--launcher', 'local', path])
    expect(code).toBe(7)
    expect(seconds).toBeLessThan(30)
  })

  it('srun in a Slurm job: the whole command, and its exit code', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'srun'), `#!/bin/sh\necho "$@"\nexit 3\n`)
    await chmod(join(folder, 'srun'), 0o755)
    const path = await script('')
    const { code, stdout } = await launch(['--nproc', '4', path, 'x'], {
      PATH: `${folder}${delimiter}${process.env['PATH']}`,
      SLURM_JOB_ID: '1',
    })
    expect(stdout).toBe(`--mpi=pmix --kill-on-bad-exit=1 --ntasks=4 ${process.execPath} ${path} x\n`)
    expect(code).toBe(3)
  })

  it.each([
    [['script.js'], '[qlora launch] --nproc: expected a number of processes, 1 or more'],
    [['--nproc', '2'], '[qlora launch] no script'],
    [
      ['--nproc', '2', '--launcher', 'slurm', 'x.js'],
      "--launcher: got 'slurm'; expected srun, torchrun, mpirun, local",
    ],
    [['--processes', '2', 'x.js'], '[qlora launch] unknown option --processes'],
  ])('%j: an error that says what fits', async (args, text) => {
    const { code, stderr } = await launch(args)
    expect(stderr).toContain(text)
    expect(code).toBe(1)
  })

  it('CPU ranks without mpirun: what to install', async () => {
    const { code, stderr } = await launch(['--nproc', '2', await script('')], {
      PATH: '/nowhere',
      SLURM_JOB_ID: '',
    })
    expect(stderr).toContain('apt-get install openmpi-bin')
    expect(code).toBe(1)
  })
})

describe.skipIf(noMpirun)(`qlora launch by mpirun${noMpirun}`, () => {
  it('the ranks know who they are', async () => {
    expect(await places(3, ['--launcher', 'mpirun'])).toEqual(three)
  })
})

describe.skipIf(noTorchrun)(`qlora launch by torchrun${noTorchrun}`, () => {
  it('the ranks know who they are; on CPUs they are told what starts MPI', async () => {
    const env = { PATH: `${join(root, '.cache/oracle/bin')}${delimiter}${process.env['PATH']}` }
    expect(await places(3, ['--launcher', 'torchrun'], env)).toEqual(three)
    const path = await script(`
      const { init_process_group } = require(${JSON.stringify(join(root, 'dist/index.js'))})
      init_process_group({ device: 'cpu' })`)
    const { code, stderr } = await launch(['--nproc', '2', '--launcher', 'torchrun', path], env)
    expect(stderr).toContain('ranks on CPUs meet over MPI, which torchrun does not start: use mpirun -n 2')
    expect(code).toBe(1)
  }, 240_000)
})
