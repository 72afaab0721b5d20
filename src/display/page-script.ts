/** A value as an argument inside a `<script>`: no tag can end it early. */
export function scriptData(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c')
}
