import { describe, expect, it } from 'vitest'
import { lateCollective, lateGather, type Member } from '../../src/distributed/watch'

const now = 100_000
const member = (rank: number, more: Partial<Member> = {}): Member => ({
  ...{
    rank,
    name: `process ${70 + rank} on node`,
    begun: 0,
    done: 0,
    moved: now,
    heard: now - 500,
    left: false,
  },
  ...more,
})

describe('lateCollective', () => {
  const waiting = { begun: 12, done: 11, moved: now - 11_000 }

  it('names the rank that has not begun what another waits for', () => {
    const members = [member(0, waiting), member(1, { begun: 11, done: 11, moved: now })]
    expect(lateCollective(members, 10_000, now)).toBe(
      'rank 1 (process 71 on node) did not come to collective 12 within 10 s',
    )
    expect(lateCollective(members, 12_000, now)).toBeUndefined()
  })

  it('names a silent rank where all have begun, and does not take its last word for a wait', () => {
    const silent = member(1, { ...waiting, heard: now - 20_000 })
    expect(lateCollective([member(0, waiting), silent], 10_000, now)).toBe(
      'rank 1 (process 71 on node) did not come to collective 12 within 10 s; nothing was heard of it for 20 s',
    )
    expect(lateCollective([member(0), silent], 10_000, now)).toBeUndefined()
    expect(lateCollective([member(0, waiting), member(1, waiting)], 10_000, now)).toBe(
      'collective 12 did not end within 10 s, though every rank has begun it',
    )
  })
})

describe('lateGather', () => {
  const values: unknown[] = []
  values[0] = 1
  values[2] = 3
  const gather = { what: 'the targets of a step', since: now - 5000, values }
  const members = [member(0), member(1), member(2)]

  it('names the rank without an answer after the time', () => {
    expect(lateGather(gather, members, 4000, now)).toBe(
      "rank 1 (process 71 on node) did not come to 'the targets of a step' within 4 s",
    )
    expect(lateGather(gather, members, 6000, now)).toBeUndefined()
  })

  it('at once when that rank has left', () => {
    const left = members.map((m) => ({ ...m, left: m.rank === 1 }))
    expect(lateGather(gather, left, 6000, now)).toBe(
      'rank 1 (process 71 on node) ended before the others, which are at: the targets of a step',
    )
  })
})
