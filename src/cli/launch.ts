import { randomBytes } from 'node:crypto'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { countDevices } from '../tensor/cuda'
import { HelpRequested } from '../options/argument-parser'
import { startLocalRanks, waitFor } from './local-ranks'

const launchers = ['srun', 'torchrun', 'mpirun', 'local'] as const
type Launcher = (typeof launchers)[number]

const usage = `usage: qlora launch --nproc N [--launcher ${launchers.join(' | ')}] SCRIPT [ARGUMENT]...
Starts N processes of the script on this machine, one a device, which train together (docs/distributed.md). Without --launcher: srun
in a Slurm job, torchrun for GPUs, mpirun for CPUs, each where it is installed; for GPUs else the processes themselves.`

/** What `qlora launch` was asked. */
interface Launch {
  nproc: number
  launcher: Launcher | undefined
  script: string
  args: string[]
}

/** `qlora launch --nproc N SCRIPT`: N ranks of a script, by the launcher there is. Resolves with its exit code. */
export async function launchCommand(given: readonly string[]): Promise<number> {
  const launch = parse(given)
  const node = [process.execPath, ...typescriptLoader(launch.script), launch.script, ...launch.args]
  const gpus = countDevices()
  const launcher = launch.launcher ?? choose(typeof gpus === 'number' && gpus > 0)
  const env = { ...process.env, QLORA_RENDEZVOUS_TOKEN: token() }
  if (launcher === 'local') return startLocalRanks(node, launch.nproc, env)
  const [program, ...args] = commandOf(launcher, launch.nproc, node)
  console.error(`qlora launch: ${[program, ...args].join(' ')}`)
  return waitFor(program!, args, env)
}

const token = (): string => process.env['QLORA_RENDEZVOUS_TOKEN'] ?? randomBytes(16).toString('hex')

function parse(given: readonly string[]): Launch {
  let nproc: number | undefined
  let launcher: Launcher | undefined
  const rest = [...given]
  while (rest[0]?.startsWith('-')) {
    const [name, inline] = rest.shift()!.split('=', 2) as [string, string | undefined]
    if (name === '--help' || name === '-h') throw new HelpRequested(usage)
    const value = inline ?? rest.shift()
    if (name === '--nproc') nproc = Number(value)
    else if (name === '--launcher') launcher = launchers.find((known) => known === value)
    else throw new Error(`[qlora launch] unknown option ${name}\n${usage}`)
    if (name === '--launcher' && !launcher)
      throw new Error(`[qlora launch] --launcher: got '${value}'; expected ${launchers.join(', ')}`)
  }
  if (nproc === undefined || !Number.isInteger(nproc) || nproc < 1)
    throw new Error(`[qlora launch] --nproc: expected a number of processes, 1 or more\n${usage}`)
  const [script, ...args] = rest
  if (script === undefined) throw new Error(`[qlora launch] no script\n${usage}`)
  return { nproc, launcher, script, args }
}

/** @throws Error where CPU ranks have nothing to meet over. */
function choose(hasGpus: boolean): Launcher {
  if (process.env['SLURM_JOB_ID'] && isInstalled('srun')) return 'srun'
  if (hasGpus && isInstalled('torchrun')) return 'torchrun'
  if (isInstalled('mpirun')) return 'mpirun'
  if (hasGpus) return 'local'
  throw new Error(
    '[qlora launch] ranks on CPUs meet over MPI, and mpirun is not installed. Debian and Ubuntu: apt-get install openmpi-bin',
  )
}

function isInstalled(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

function commandOf(launcher: Exclude<Launcher, 'local'>, n: number, node: readonly string[]): string[] {
  if (launcher === 'torchrun')
    return ['torchrun', '--no-python', '--standalone', `--nproc-per-node=${n}`, ...node]
  if (launcher === 'srun') return ['srun', '--mpi=pmix', '--kill-on-bad-exit=1', `--ntasks=${n}`, ...node]
  // mpirun refuses more ranks than cores, and root, unless it is told otherwise.
  const asRoot = process.getuid?.() === 0 ? ['--allow-run-as-root'] : []
  return ['mpirun', ...asRoot, '--oversubscribe', '-n', String(n), '-x', 'QLORA_RENDEZVOUS_TOKEN', ...node]
}

/** What Node.js needs for a script in TypeScript. */
function typescriptLoader(script: string): string[] {
  if (!/\.[mc]?ts$/.test(script) || 'typescript' in process.features) return []
  try {
    return ['--import', require.resolve('tsx', { paths: [process.cwd()] })]
  } catch {
    throw new Error(
      `[qlora launch] ${script}: Node.js ${process.versions.node} does not run TypeScript; use Node.js 22.18 or newer, or npm install tsx`,
    )
  }
}
