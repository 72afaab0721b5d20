import type { Inspector } from '../runner/inspector'
import type { Evaluated, RemoteObject } from './messages'

const maxNames = 20

/** Declarations of earlier cells: in a cell's JavaScript they are properties, not variables. */
export const cellExports = 'globalThis.__tslab__.exports'

/**
 * The value of an expression in a frame, or outside of all functions. Throws what the expression throws. Names
 * that the frame does not have are looked up among those of earlier cells.
 */
export async function evaluate(
  inspector: Inspector,
  expression: string,
  callFrameId: string | undefined,
  options: { returnByValue?: boolean } = {},
): Promise<RemoteObject> {
  const names: string[] = []
  for (;;) {
    const bound = names.map((name) => `${cellExports}.${name}`).join(', ')
    const text = names.length > 0 ? `((${names.join(', ')}) => (${expression}\n))(${bound})` : expression
    const { result, exceptionDetails } = await inspector.post<Evaluated>(
      callFrameId === undefined ? 'Runtime.evaluate' : 'Debugger.evaluateOnCallFrame',
      {
        expression: text,
        generatePreview: true,
        ...(callFrameId !== undefined && { callFrameId }),
        ...options,
      },
    )
    if (!exceptionDetails) return result
    const { exception, text: what } = exceptionDetails
    const unknown = /^ReferenceError: ([\w$]+) is not defined/.exec(exception?.description ?? '')?.[1]
    if (
      unknown === undefined ||
      names.includes(unknown) ||
      names.length === maxNames ||
      !(await exists(inspector, unknown))
    )
      throw new Error((exception?.description ?? what).split('\n')[0])
    names.push(unknown)
  }
}

async function exists(inspector: Inspector, name: string): Promise<boolean> {
  const expression = `${JSON.stringify(name)} in ${cellExports}`
  const { result } = await inspector.post<Evaluated>('Runtime.evaluate', { expression })
  return result.value === true
}
