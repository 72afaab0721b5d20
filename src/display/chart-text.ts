import { GLYPHS, UNITS_PER_EM } from './chart-font'
import { escapeHtml } from './format'

export interface TextStyle {
  size: number
  fill: string
  anchor?: 'start' | 'middle' | 'end'
  /** Degrees, clockwise. */
  rotate?: number
}

/** SVG texts as outlines. `defs()` contains each used character once. */
export class ChartText {
  private readonly ids = new Map<string, string>()

  /** Width of `text` in pixels. */
  width(text: string, size: number): number {
    let units = 0
    for (const character of text) units += GLYPHS[character]?.[0] ?? UNITS_PER_EM * 0.6
    return (units * size) / UNITS_PER_EM
  }

  /**
   * The text with its baseline at `(x, y)`. Characters without an outline become `<text>`, drawn with the
   * viewer's font.
   */
  at(x: number, y: number, text: string, style: TextStyle): string {
    const shift = { start: 0, middle: 0.5, end: 1 }[style.anchor ?? 'start']
    const scale = style.size / UNITS_PER_EM
    let pen = (-shift * this.width(text, style.size)) / scale
    let shapes = ''
    for (const character of text) {
      const glyph = GLYPHS[character]
      if (glyph?.[1]) shapes += `<use href="#${this.id(character)}" x="${Math.round(pen)}"/>`
      else if (!glyph) {
        shapes += `<text x="${Math.round(pen)}" font-size="${UNITS_PER_EM}" font-family="sans-serif">${escapeHtml(character)}</text>`
      }
      pen += glyph?.[0] ?? UNITS_PER_EM * 0.6
    }
    const turn = style.rotate ? ` rotate(${style.rotate})` : ''
    const place = `translate(${x.toFixed(1)} ${y.toFixed(1)})${turn} scale(${scale})`
    return `<g fill="${style.fill}" transform="${place}">${shapes}</g>`
  }

  defs(): string {
    const paths = [...this.ids].map(([character, id]) => `<path id="${id}" d="${GLYPHS[character]![1]}"/>`)
    return `<defs>${paths.join('')}</defs>`
  }

  private id(character: string): string {
    let id = this.ids.get(character)
    if (!id) {
      id = `c${character.codePointAt(0)!.toString(16)}`
      this.ids.set(character, id)
    }
    return id
  }
}
