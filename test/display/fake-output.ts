import { PassThrough } from 'node:stream'
import type { MimeBundle, Output, OutputStream } from '../../src/display/output'

/** A notebook-like output that records every output's frames. */
export function fakeNotebook(bundles: boolean = false): Output & { outputs: MimeBundle[][] } {
  const outputs: MimeBundle[][] = []
  return {
    kind: 'rich',
    bundles,
    outputs,
    show(bundle) {
      const frames = [bundle]
      outputs.push(frames)
      return { update: (next) => void frames.push(next) }
    },
  }
}

/** A stream that keeps its text; as a terminal it answers the calls that cli-progress makes. */
export function fakeStream(isTTY: boolean): OutputStream & { text(): string } {
  const chunks: string[] = []
  const stream = new PassThrough()
  stream.on('data', (chunk: Buffer) => chunks.push(chunk.toString('utf8')))
  return Object.assign(stream, { isTTY, columns: 100, rows: 30, text: () => chunks.join('') })
}

/** The SVG inside a chart's HTML. */
export function imageOf(html: string): string {
  const data = /src="data:image\/svg\+xml;base64,([^"]+)"/.exec(html)?.[1]
  if (!data) throw new Error('no image in the chart')
  return Buffer.from(data, 'base64').toString('utf8')
}

/** The figure that a chart's HTML hands to plotly. */
export function figureOf(html: string): {
  id: string
  data: Array<Record<string, unknown>>
  layout: Record<string, unknown>
} {
  const json = /\}\)\((\{.*\})\)<\/script><\/div>$/s.exec(html)?.[1]
  if (!json) throw new Error('no figure in the chart')
  return JSON.parse(json) as ReturnType<typeof figureOf>
}
