import type { Socket } from 'node:net'

/** A frame longer than this is no message of ours. */
const MAX_FRAME = 2 ** 28

/** Sends one JSON value as a line. NaN and infinities go as texts; `number` reads them back. */
export function sendFrame(socket: Socket, value: unknown): void {
  const text = JSON.stringify(value, (_, v: unknown) =>
    typeof v === 'number' && !Number.isFinite(v) ? { $number: String(v) } : v,
  )
  if (!socket.destroyed) socket.write(`${text}\n`)
}

/** Calls `take` with each value that comes. What is no line of JSON ends the connection. */
export function onFrames(socket: Socket, take: (value: Record<string, unknown>) => void): void {
  let pieces: string[] = []
  let length = 0
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    const lines = chunk.split('\n')
    for (const [i, line] of lines.entries()) {
      pieces.push(line)
      length += line.length
      if (length > MAX_FRAME) return void socket.destroy()
      if (i === lines.length - 1) break
      const text = pieces.join('')
      pieces = []
      length = 0
      try {
        take(JSON.parse(text, revive) as Record<string, unknown>)
      } catch {
        return void socket.destroy()
      }
    }
  })
}

function revive(_: string, value: unknown): unknown {
  const isNumber = typeof value === 'object' && value !== null && '$number' in value
  return isNumber ? Number(value.$number) : value
}
