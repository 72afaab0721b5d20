import { messageOf } from './atomic'

/** JSON.parse whose error names the file that the text is from. */
export function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error(`${path}: not valid JSON: ${messageOf(error)}`, { cause: error })
  }
}
