import { describe, expect, it } from 'vitest'
import { library, lines, missing, startRanks } from './ranks'

interface Told {
  rank: number
  library: string
  sum: number[]
  gathered: number[]
  inPlace: number[]
  part: number[]
  from: number[]
  bytes: number[]
  words: string[]
  error: string
  progress: { begun: number; done: number }
}

const script = `
  const { Tensor } = require(${JSON.stringify(library)})
  const { init_process_group, destroy_process_group } = require(${JSON.stringify(library)})
  const { addon } = require(${JSON.stringify(library.replace('index.js', 'native/addon.js'))})
  async function main() {
    const group = await init_process_group({ device: 'cpu', timeout: 60 })
    const { rank, size, device } = group
    const own = (values) => Tensor.from(Float32Array.from(values), { device })
    const x = own([1.5 * (rank + 1), -rank, 0.1])
    group.all_reduce(x)
    const all = device.empty([size, 3])
    group.all_gather(x, all)
    const whole = own(Array.from({ length: 2 * size }, () => -1))
    const mine = whole.slice(2 * rank, 2 * rank + 2)
    addon().tensor_write(mine.handle, new Uint8Array(Float32Array.of(rank, 10 * rank).buffer))
    group.all_gather(mine, whole)
    const part = device.empty([2])
    group.reduce_scatter(own(Array.from({ length: 2 * size }, (_, i) => i * (rank + 1))), part)
    const from = own([rank, rank + 0.5])
    group.broadcast(from, size - 1)
    const bytes = Tensor.from(Uint8Array.of(rank, 255 - rank), { device })
    const allBytes = device.empty([2 * size], 'uint8')
    group.all_gather(bytes, allBytes)
    let error = ''
    try { group.all_reduce(bytes) } catch (e) { error = e.message }
    const told = {
      rank, library: group.library, error,
      sum: [...await x.data()], gathered: [...await all.data()], inPlace: [...await whole.data()],
      part: [...await part.data()], from: [...await from.data()], bytes: [...await allBytes.data()],
      words: await group.gather('words', 'word ' + rank), progress: addon().group_progress(device.handle),
    }
    await group.barrier()
    console.log(JSON.stringify(told))
    destroy_process_group()
  }
  main()`

describe.skipIf(missing)(`collectives over MPI${missing}`, () => {
  it.each([1, 2, 4])('%i ranks: every collective against its definition', async (n) => {
    const { code, stdout, stderr } = await startRanks(n, script).done
    expect(stderr).toBe('')
    expect(code).toBe(0)
    const told = lines<Told>(stdout).sort((a, b) => a.rank - b.rank)
    expect(told.map(({ rank }) => rank)).toEqual(Array.from({ length: n }, (_, r) => r))
    const ranks = told.map(({ rank }) => rank)
    const sumOf = (f: (rank: number) => number): number => ranks.reduce((sum, r) => sum + f(r), 0)
    const sum = [sumOf((r) => 1.5 * (r + 1)), 0 - sumOf((r) => r), told[0]!.sum[2]!]
    expect(sum[2]).toBeCloseTo(0.1 * n, 6)
    for (const { rank, ...one } of told) {
      expect(one.library).toMatch(/^Open MPI v\d/)
      expect(one.sum).toEqual(sum)
      expect(one.gathered).toEqual(ranks.flatMap(() => sum))
      expect(one.inPlace).toEqual(ranks.flatMap((r) => [r, 10 * r]))
      expect(one.part).toEqual([0, 1].map((i) => sumOf((r) => (2 * rank + i) * (r + 1))))
      expect(one.from).toEqual([n - 1, n - 0.5])
      expect(one.bytes).toEqual(ranks.flatMap((r) => [r, 255 - r]))
      expect(one.words).toEqual(ranks.map((r) => `word ${r}`))
      expect(one.error).toBe('[all_reduce] argument 0: expected float32, got uint8')
      expect(one.progress).toEqual({ begun: 7, done: 7 })
    }
  })
})
