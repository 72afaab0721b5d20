const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const months = [
  ...['January', 'February', 'March', 'April', 'May', 'June', 'July'],
  ...['August', 'September', 'October', 'November', 'December'],
]
const composed: Readonly<Record<string, string>> = {
  D: '%m/%d/%y',
  F: '%Y-%m-%d',
  T: '%H:%M:%S',
  R: '%H:%M',
  r: '%I:%M:%S %p',
  c: '%a %b %e %H:%M:%S %Y',
  x: '%m/%d/%y',
  X: '%H:%M:%S',
  h: '%b',
}

/**
 * `datetime.strftime` of a local time, with English names. `%-d` omits the leading zero; `%_d` replaces it by a
 * space.
 */
export function strftime(date: Date, format: string): string {
  return format.replace(/%([-_])?([A-Za-z%])/g, (written, flag: string | undefined, code: string) => {
    const whole = composed[code]
    if (whole !== undefined) return strftime(date, whole)
    const found = field(date, code)
    if (found === undefined) return written
    if (typeof found === 'string') return found
    const [value, width, fill = '0'] = found
    return flag === '-' ? String(value) : String(value).padStart(width, flag === '_' ? ' ' : fill)
  })
}

type Field = string | [value: number, width: number, fill?: string] | undefined

function field(date: Date, code: string): Field {
  const dayOfYear = Math.round(
    (Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) - Date.UTC(date.getFullYear(), 0, 1)) /
      86_400_000,
  )
  const day = date.getDay()
  const fields: Record<string, Field> = {
    Y: [date.getFullYear(), 1],
    C: [Math.floor(date.getFullYear() / 100), 2],
    y: [date.getFullYear() % 100, 2],
    m: [date.getMonth() + 1, 2],
    d: [date.getDate(), 2],
    e: [date.getDate(), 2, ' '],
    j: [dayOfYear + 1, 3],
    H: [date.getHours(), 2],
    I: [date.getHours() % 12 || 12, 2],
    M: [date.getMinutes(), 2],
    S: [date.getSeconds(), 2],
    f: [date.getMilliseconds() * 1000, 6],
    p: date.getHours() < 12 ? 'AM' : 'PM',
    A: days[day],
    a: days[day]?.slice(0, 3),
    B: months[date.getMonth()],
    b: months[date.getMonth()]?.slice(0, 3),
    w: [day, 1],
    u: [day || 7, 1],
    U: [Math.floor((dayOfYear + 7 - day) / 7), 2],
    W: [Math.floor((dayOfYear + 7 - ((day + 6) % 7)) / 7), 2],
    s: [Math.floor(date.getTime() / 1000), 1],
    n: '\n',
    t: '\t',
    '%': '%',
    // A local time without a zone has neither, as in Python.
    z: '',
    Z: '',
  }
  return fields[code]
}
