/** Makes text of others printable: nothing in it steers the terminal, or turns the order in which it is read. */

/** Escapes for colours and weights as picocolors writes them; hidden text is not among them. */
const ownColours = /(\x1b\[(?:[0-79]|2[1-9]|3[0-79]|4[0-79]|9[0-7]|10[0-7])m)/

const steering = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g
const turning = /[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]/g

/** Returns text without the colours of others, and with everything else spelt out that is not a letter, a line break or a tab. */
export function plain(text: string): string {
  return text
    .replace(/\x1b\[[0-9;:?]*[ -/]*[@-~]/g, '')
    .replace(steering, (sign) => `\\x${hex(sign, 2)}`)
    .replace(turning, (sign) => `\\u${hex(sign, 4)}`)
}

/** Returns plain text on one line. */
export function oneLine(text: string): string {
  return plain(String(text).replace(/\s+/g, ' ')).trim()
}

/** Returns the value with every text in it plain and on one line. */
export function oneLineDeep<T>(value: T): T {
  return JSON.parse(JSON.stringify(value) ?? 'null', (_, one) => (typeof one === 'string' ? oneLine(one) : one)) as T
}

/** Returns a text of ours that contains text of others as it may go to a terminal: our colours stay. */
export function printable(text: string, color: boolean): string {
  if (!color) return plain(text)
  return text
    .split(ownColours)
    .map((part, index) => (index % 2 === 1 ? part : plain(part)))
    .join('')
}

/** Returns JSON with the same meaning that a terminal prints as it is. */
export function printableJson(value: unknown, space?: number): string {
  const spellSign = (sign: string) => `\\u${hex(sign, 4)}`
  // JSON.stringify has escaped what is below the blank; line breaks between values stay.
  return (JSON.stringify(value, null, space) ?? 'null').replace(/[\x7f-\x9f]/g, spellSign).replace(turning, spellSign)
}

function hex(sign: string, digits: number): string {
  return sign.charCodeAt(0).toString(16).padStart(digits, '0')
}
