import type { Bundle } from './messages'

const kinds: readonly {
  mime: string
  matches: (bytes: Buffer) => boolean
  size?: (bytes: Buffer) => string
}[] = [
  {
    mime: 'image/png',
    matches: (bytes) => bytes.toString('latin1', 0, 8) === '\x89PNG\r\n\x1a\n',
    size: (bytes) => (bytes.length < 24 ? '' : `, ${bytes.readUInt32BE(16)} x ${bytes.readUInt32BE(20)}`),
  },
  { mime: 'image/jpeg', matches: (bytes) => bytes.toString('latin1', 0, 3) === '\xff\xd8\xff' },
  {
    mime: 'image/gif',
    matches: (bytes) => /^GIF8[79]a/.test(bytes.toString('latin1', 0, 6)),
    size: (bytes) => (bytes.length < 10 ? '' : `, ${bytes.readUInt16LE(6)} x ${bytes.readUInt16LE(8)}`),
  },
  {
    mime: 'image/webp',
    matches: (bytes) => /^RIFF[^]{4}WEBP/.test(bytes.toString('latin1', 0, 12)),
  },
  {
    mime: 'image/svg+xml',
    matches: (bytes) =>
      /^\s*(<\?xml[^>]*>\s*)?(<!--[^]*?-->\s*|<!DOCTYPE[^>]*>\s*)*<svg[\s>]/.test(
        bytes.toString('utf8', 0, 1000),
      ),
  },
]

/** The bundle of a file's bytes if they have the signature of an image. */
export function imageOf(value: Uint8Array): Bundle | undefined {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  const kind = kinds.find(({ matches }) => matches(bytes))
  if (!kind) return undefined
  const { mime, size } = kind
  const text = `<${mime}${size?.(bytes) ?? ''}, ${bytes.length} bytes>`
  return { 'text/plain': text, [mime]: bytes.toString(mime === 'image/svg+xml' ? 'utf8' : 'base64') }
}
