/**
 * Renders an SVG at twice its size, for high-resolution screens. Throws when the image library cannot be
 * loaded.
 */
export async function svgToPng(svg: string): Promise<Uint8Array> {
  const { default: sharp } = await import('sharp')
  return sharp(Buffer.from(svg), { density: 144 }).png({ compressionLevel: 9, palette: true }).toBuffer()
}
