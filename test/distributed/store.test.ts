import { connect } from 'node:net'
import { once } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import type { RankPlace } from '../../src/distributed/environment'
import { StoreClient } from '../../src/distributed/store-client'
import { StoreServer } from '../../src/distributed/store-server'

let port = 23_000 + (process.pid % 5000)
const servers: StoreServer[] = []
afterEach(() => servers.splice(0).forEach((server) => server.close()))

const place = (rank: number, world: number, token = 'secret'): RankPlace => ({
  ...{ rank, world, localRank: rank, localWorld: world, launcher: 'mpirun' },
  ...{ address: '127.0.0.1', port, token },
})

const faults: string[] = []
const client = (at: RankPlace, timeout = 2000): Promise<StoreClient> =>
  StoreClient.open(at, {
    timeout,
    progress: () => ({ begun: 0, done: 0 }),
    onFault: (text) => faults.push(text),
  })

async function meet(world: number, timeout = 2000): Promise<StoreClient[]> {
  port += 1
  faults.length = 0
  servers.push(await StoreServer.open(place(0, world), timeout))
  return Promise.all(Array.from({ length: world }, (_, rank) => client(place(rank, world), timeout)))
}

describe('the store of rank 0', () => {
  it('gives every rank the values of all, numbers that JSON has not among them', async () => {
    const ranks = await meet(3)
    const values = [{ loss: NaN }, { loss: -Infinity }, { loss: 0.1 + 0.2 }]
    const all = await Promise.all(ranks.map((rank, i) => rank.gather('losses', values[i])))
    expect(all).toEqual([values, values, values])
  })

  it('a rank that fails is named to all, and nothing is gathered any more', async () => {
    const [zero, one] = await meet(2)
    const waiting = zero!.gather('a step', 1)
    one!.fail('disk full')
    await expect(waiting).rejects.toThrow(/^\[distributed\] rank 1 \(process \d+ on .*\) failed: disk full$/)
    await expect(one!.gather('a step', 1)).rejects.toThrow('failed: disk full')
    expect(faults.length).toBe(2)
  })

  it('ranks at different places of a program are told so', async () => {
    const [zero, one] = await meet(2)
    const both = await Promise.allSettled([zero!.gather('a step', 1), one!.gather('an evaluation', 1)])
    for (const { status } of both) expect(status).toBe('rejected')
    expect(faults[0]).toMatch(
      /the ranks do not run the same program: .* is at 'an evaluation', another at 'a step'/,
    )
  })

  it('a rank that has left and is waited for is named', async () => {
    const [zero, one] = await meet(2)
    one!.leave()
    await expect(zero!.gather('a step', 1)).rejects.toThrow(
      /rank 1 .* ended before the others, which are at: a step/,
    )
  })

  it('refuses who does not know the token, a second of the same rank, and another world', async () => {
    await meet(1)
    await expect(client(place(0, 1, 'other'))).rejects.toThrow('QLORA_RENDEZVOUS_TOKEN is not that of rank 0')
    await expect(client(place(0, 1))).rejects.toThrow(/two processes are rank 0/)
    await meet(1)
    await expect(client(place(1, 2))).rejects.toThrow(
      /rank 1 .* was started as one of 2 ranks, rank 0 as one of 1/,
    )
  })

  it('ends connections that speak another protocol', async () => {
    await meet(1)
    const socket = connect(port, '127.0.0.1')
    socket.write('GET / HTTP/1.1\r\n\r\n')
    socket.resume()
    await once(socket, 'close')
    expect(faults).toEqual([])
  })

  it('a port that is taken, and an address that is not of this machine', async () => {
    await meet(1)
    await expect(StoreServer.open(place(0, 1), 1000)).rejects.toThrow('another process listens there')
    const far = { ...place(0, 1), address: '192.0.2.254' }
    await expect(StoreServer.open(far, 1000)).rejects.toThrow(
      'MASTER_ADDR has to be an address of the machine',
    )
  })

  it('who finds nobody says where', async () => {
    port += 1
    await expect(client(place(1, 2), 300)).rejects.toThrow(
      /rank 0 did not come within 0 s: nobody answers at 127/,
    )
  })
})
