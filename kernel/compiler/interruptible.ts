import type * as TypeScript from 'typescript'
import { ts } from './typescript'

/**
 * Makes JavaScript interruptible without changing line numbers: `await x` becomes `await __q.wait(x)`, `for
 * await` reads through `__q.iterate`, and every loop body starts with `__q.check()`. The executor provides
 * `__q`.
 */
export function interruptible(code: string): string {
  if (!/\b(?:await|for|while|do)\b/.test(code)) return code
  const file = ts.createSourceFile('cell.js', code, ts.ScriptTarget.Latest, false, ts.ScriptKind.JS)
  const inserts: { at: number; text: string; order: number }[] = []
  const insert = (at: number, text: string): void => void inserts.push({ at, text, order: inserts.length })
  const wrap = (node: TypeScript.Node, name: string): void => {
    insert(node.getStart(file), `__q.${name}(`)
    visit(node)
    insert(node.end, ')')
  }
  const body = (node: TypeScript.Statement): void => {
    if (ts.isBlock(node)) {
      insert(node.getStart(file) + 1, '__q.check();')
      visit(node)
    } else {
      insert(node.getStart(file), '{__q.check();')
      visit(node)
      insert(node.end, '}')
    }
  }
  function visit(node: TypeScript.Node): void {
    if (ts.isAwaitExpression(node)) return wrap(node.expression, 'wait')
    if (ts.isIterationStatement(node, false)) {
      ts.forEachChild(node, (child) => {
        if (child === node.statement) body(node.statement)
        else if (ts.isForOfStatement(node) && node.awaitModifier && child === node.expression)
          wrap(child, 'iterate')
        else visit(child)
      })
      return
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  inserts.sort((a, b) => a.at - b.at || a.order - b.order)
  let out = ''
  let from = 0
  for (const { at, text } of inserts) {
    out += code.slice(from, at) + text
    from = at
  }
  return out + code.slice(from)
}
