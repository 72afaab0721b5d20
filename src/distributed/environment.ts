import { createHash } from 'node:crypto'

/** Where a process stands among the ranks that its launcher started. */
export interface RankPlace {
  rank: number
  world: number
  /** Among the ranks of the same machine: which GPU is its own. */
  localRank: number
  localWorld: number
  /** Where rank 0 listens. */
  address: string
  port: number
  /** Shared by the ranks of a run; whoever connects proves that it knows it. */
  token: string
  /** Whose variables told rank and world. */
  launcher: 'torchrun' | 'mpirun' | 'srun' | 'pmi'
}

type Environment = Readonly<Record<string, string | undefined>>

/** Variables that hold rank, world, and the two of the same machine, by launcher; the first that is whole counts. */
const launchers = [
  ['torchrun', 'RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'LOCAL_WORLD_SIZE'],
  [
    'mpirun',
    'OMPI_COMM_WORLD_RANK',
    'OMPI_COMM_WORLD_SIZE',
    'OMPI_COMM_WORLD_LOCAL_RANK',
    'OMPI_COMM_WORLD_LOCAL_SIZE',
  ],
  // SLURM_NTASKS is there in a batch script too, which is no rank; this one only in a step of srun.
  ['srun', 'SLURM_PROCID', 'SLURM_STEP_NUM_TASKS', 'SLURM_LOCALID', 'SLURM_STEP_TASKS_PER_NODE'],
  ['pmi', 'PMI_RANK', 'PMI_SIZE', 'MPI_LOCALRANKID', 'MPI_LOCALNRANKS'],
] as const

/**
 * The rank that the environment gives this process: by torchrun, `qlora launch` and Kubeflow (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR,
 * MASTER_PORT), mpirun (OMPI_*), srun (SLURM_*) or another PMI launcher; undefined when no launcher started it.
 * @throws Error naming the variable that is wrong or missing.
 */
export function rankPlace(env: Environment = process.env): RankPlace | undefined {
  for (const [launcher, rankName, worldName, localName, localWorldName] of launchers) {
    if (env[rankName] === undefined || env[worldName] === undefined) continue
    const world = wholeNumber(env, worldName, 1)
    const rank = wholeNumber(env, rankName, 0)
    if (rank >= world)
      throw new Error(
        `[distributed] ${rankName} is ${rank}; expected less than ${worldName}, which is ${world}`,
      )
    const localRank =
      env[localName] === undefined ? (world === 1 ? 0 : undefined) : wholeNumber(env, localName, 0)
    if (localRank === undefined)
      throw new Error(`[distributed] ${localName} is not set; expected the rank among those of this machine`)
    const localWorld = localWorldOf(env, localWorldName, launcher, world)
    const address = addressOf(env, launcher, localWorld === world)
    return {
      ...{ rank, world, localRank, localWorld, launcher, address },
      port: portOf(env),
      token: world === 1 ? jobOf(env) : tokenOf(env, address),
    }
  }
  return undefined
}

function wholeNumber(env: Environment, name: string, least: number): number {
  const value = Number(env[name])
  if (!Number.isInteger(value) || value < least || env[name]!.trim() === '')
    throw new Error(`[distributed] ${name} is '${env[name]}'; expected a whole number >= ${least}`)
  return value
}

/** Kubeflow's PyTorch policy gives no LOCAL_WORLD_SIZE; srun a list such as 4(x2). */
function localWorldOf(env: Environment, name: string, launcher: string, world: number): number {
  const text = env[name]
  if (text === undefined) return launcher === 'torchrun' && env['MASTER_ADDR'] === undefined ? world : 1
  if (launcher === 'srun') return Number(/^\d+/.exec(text)?.[0] ?? 1)
  return wholeNumber(env, name, 1)
}

function addressOf(env: Environment, launcher: string, isOneMachine: boolean): string {
  const given = env['MASTER_ADDR']
  if (given) return given
  if (isOneMachine) return '127.0.0.1'
  const nodes = launcher === 'srun' ? env['SLURM_STEP_NODELIST'] : undefined
  if (nodes) return firstNode(nodes)
  throw new Error(
    '[distributed] MASTER_ADDR is not set; ranks on several machines need the address of rank 0, for instance: mpirun -x MASTER_ADDR=node1',
  )
}

/** The first of a Slurm list: node[03-07,9],other -> node03. */
export function firstNode(nodes: string): string {
  const [, prefix, first] = /^([^[,]+)(?:\[(\d+))?/.exec(nodes) ?? []
  return `${prefix ?? nodes}${first ?? ''}`
}

/** Ranks of one job find the same port without being told one. */
function portOf(env: Environment): number {
  if (env['MASTER_PORT'] !== undefined) {
    const port = wholeNumber(env, 'MASTER_PORT', 1)
    // torchrun itself listens there.
    return env['TORCHELASTIC_USE_AGENT_STORE'] === 'True' ? port + 1 : port
  }
  const hash = createHash('sha256').update(jobOf(env)).digest()
  return 20_000 + (hash.readUInt32LE(0) % 12_000)
}

const jobOf = (env: Environment): string =>
  [
    'PMIX_NAMESPACE',
    'OMPI_MCA_ess_base_jobid',
    'SLURM_JOB_ID',
    'SLURM_STEP_ID',
    'TORCHELASTIC_RUN_ID',
    'PMI_JOBID',
    'USER',
  ]
    .map((name) => env[name] ?? '')
    .join()

function tokenOf(env: Environment, address: string): string {
  const token = env['QLORA_RENDEZVOUS_TOKEN']
  if (token) return token
  if (address === 'localhost' || address === '::1' || address.startsWith('127.')) return jobOf(env)
  throw new Error(
    `[distributed] QLORA_RENDEZVOUS_TOKEN is not set; ranks that meet at ${address}, which others can reach, need the same secret in all of them, for instance: export QLORA_RENDEZVOUS_TOKEN=$(openssl rand -hex 16)`,
  )
}
