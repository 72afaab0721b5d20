/** Groups of `size` items; the last may be shorter. */
export async function* windows<T>(items: Iterable<T> | AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let window: T[] = []
  for await (const item of items) {
    window.push(item)
    if (window.length === size) {
      yield window
      window = []
    }
  }
  if (window.length > 0) yield window
}
