import { describe, expect, it } from 'vitest'
import { firstNode, rankPlace } from '../../src/distributed/environment'

const place = (env: Record<string, string>): unknown => {
  const { rank, world, localRank, localWorld, address, launcher } = rankPlace(env)!
  return [launcher, rank, world, localRank, localWorld, address]
}

describe('rankPlace', () => {
  it('no launcher: none, also in a Slurm batch script, which is no rank', () => {
    expect(rankPlace({})).toBeUndefined()
    expect(rankPlace({ SLURM_PROCID: '0', SLURM_NTASKS: '4', SLURM_JOB_ID: '7' })).toBeUndefined()
  })

  it('torchrun, and its own store beside MASTER_PORT', () => {
    const env = {
      ...{ RANK: '5', WORLD_SIZE: '8', LOCAL_RANK: '1', LOCAL_WORLD_SIZE: '4' },
      ...{ MASTER_ADDR: 'node1', MASTER_PORT: '29500', QLORA_RENDEZVOUS_TOKEN: 'secret' },
    }
    expect(place(env)).toEqual(['torchrun', 5, 8, 1, 4, 'node1'])
    expect(rankPlace(env)).toMatchObject({ port: 29500, token: 'secret' })
    expect(rankPlace({ ...env, TORCHELASTIC_USE_AGENT_STORE: 'True' })!.port).toBe(29501)
    // A torchrun that mpirun started, one a machine.
    const both = { ...env, OMPI_COMM_WORLD_RANK: '1', OMPI_COMM_WORLD_SIZE: '2' }
    expect(place(both)).toEqual(place(env))
  })

  it('mpirun on one machine: this machine, the same port and token on all ranks of a job', () => {
    const rank = (r: string, job: string): Record<string, string> => ({
      ...{ OMPI_COMM_WORLD_RANK: r, OMPI_COMM_WORLD_SIZE: '2', PMIX_NAMESPACE: job },
      ...{ OMPI_COMM_WORLD_LOCAL_RANK: r, OMPI_COMM_WORLD_LOCAL_SIZE: '2' },
    })
    expect(place(rank('1', 'a'))).toEqual(['mpirun', 1, 2, 1, 2, '127.0.0.1'])
    const [one, other, later] = [rank('0', 'a'), rank('1', 'a'), rank('0', 'b')].map((env) => rankPlace(env)!)
    expect([other!.port, other!.token]).toEqual([one!.port, one!.token])
    expect(later!.port).not.toBe(one!.port)
  })

  it('srun: the first node of the step', () => {
    const env = {
      ...{
        SLURM_PROCID: '3',
        SLURM_STEP_NUM_TASKS: '4',
        SLURM_LOCALID: '1',
        SLURM_STEP_TASKS_PER_NODE: '2(x2)',
      },
      ...{ SLURM_STEP_NODELIST: 'gpu[07-08]', QLORA_RENDEZVOUS_TOKEN: 'secret' },
    }
    expect(place(env)).toEqual(['srun', 3, 4, 1, 2, 'gpu07'])
    expect(['node1,node2', 'n[3,5-6],m1', 'one'].map(firstNode)).toEqual(['node1', 'n3', 'one'])
  })

  it('another PMI launcher', () => {
    const env = { PMI_RANK: '0', PMI_SIZE: '2', MPI_LOCALRANKID: '0', MPI_LOCALNRANKS: '2' }
    expect(place(env)).toEqual(['pmi', 0, 2, 0, 2, '127.0.0.1'])
  })

  it.each([
    [{ RANK: '2', WORLD_SIZE: '2', LOCAL_RANK: '0' }, 'RANK is 2; expected less than WORLD_SIZE, which is 2'],
    [{ RANK: 'x', WORLD_SIZE: '2', LOCAL_RANK: '0' }, "RANK is 'x'; expected a whole number >= 0"],
    [{ RANK: '0', WORLD_SIZE: '2' }, 'LOCAL_RANK is not set'],
    [
      { PMI_RANK: '0', PMI_SIZE: '4', MPI_LOCALRANKID: '0', MPI_LOCALNRANKS: '2' },
      'MASTER_ADDR is not set; ranks on several machines need the address of rank 0',
    ],
    [
      { RANK: '0', WORLD_SIZE: '2', LOCAL_RANK: '0', MASTER_ADDR: 'node1' },
      'QLORA_RENDEZVOUS_TOKEN is not set; ranks that meet at node1',
    ],
  ])('%j: an error that names the variable', (env, text) => {
    expect(() => rankPlace(env as Record<string, string>)).toThrow(text)
  })

  it('one rank needs neither address nor token', () => {
    const env = { RANK: '0', WORLD_SIZE: '1', LOCAL_RANK: '0', MASTER_ADDR: 'node1' }
    expect(place(env)).toEqual(['torchrun', 0, 1, 0, 1, 'node1'])
  })
})
