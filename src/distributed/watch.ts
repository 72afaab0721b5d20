/** What rank 0 knows of a rank. */
export interface Member {
  rank: number
  /** For messages: process and machine. */
  name: string
  /** Collectives begun and done, by its last word. */
  begun: number
  done: number
  /** When `done` last changed, or nothing was under way. */
  moved: number
  /** When it last said anything. Milliseconds of performance.now(), as all times here. */
  heard: number
  /** Its script has ended as it should. */
  left: boolean
}

/** A question that some ranks have answered. */
export interface OpenGather {
  what: string
  since: number
  /** By rank; a hole: not yet. */
  values: unknown[]
}

/** A rank speaks every second. One that said nothing for so long is stopped, or its thread is busy with something else. */
const SILENT_MS = 2500

const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`

/** "rank 2 (process 71 on node1)" and so on. */
export const namesOf = (members: readonly Member[]): string =>
  members.map(({ rank, name }) => `rank ${rank} (${name})`).join(', ')

const silence = ({ heard }: Member, now: number): string =>
  now - heard > SILENT_MS ? `; nothing was heard of it for ${seconds(now - heard)}` : ''

/** What is wrong with a gather that is open for longer than `timeout` ms, or that a rank which has left would have to answer. */
export function lateGather(
  gather: OpenGather,
  members: readonly Member[],
  timeout: number,
  now: number,
): string | undefined {
  const missing = members.filter(({ rank }) => !(rank in gather.values))
  const gone = missing.filter(({ left }) => left)
  if (gone.length > 0) return `${namesOf(gone)} ended before the others, which are at: ${gather.what}`
  if (now - gather.since <= timeout) return undefined
  return `${namesOf(missing)} did not come to '${gather.what}' within ${seconds(timeout)}${silence(missing[0]!, now)}`
}

/** What is wrong with a collective that did not end within `timeout` ms on some rank. */
export function lateCollective(members: readonly Member[], timeout: number, now: number): string | undefined {
  const isSilent = ({ heard }: Member): boolean => now - heard > SILENT_MS
  // What a silent rank last said tells nothing of now.
  const waiting = members.filter((m) => !isSilent(m) && m.begun > m.done && now - m.moved > timeout)
  if (waiting.length === 0) return undefined
  const place = Math.max(...waiting.map(({ done }) => done)) + 1
  const behind = members.filter(({ begun }) => begun < place)
  const named = behind.length > 0 ? behind : members.filter(isSilent)
  const within = `within ${seconds(timeout)}`
  if (named.length === 0) return `collective ${place} did not end ${within}, though every rank has begun it`
  return `${namesOf(named)} did not come to collective ${place} ${within}${silence(named[0]!, now)}`
}
