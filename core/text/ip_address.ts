/** Compares IP addresses with networks such as 10.0.0.0/8 and fd00::/8. */

interface Address {
  readonly bits: bigint
  /** How many bits the family has. */
  readonly length: 32 | 128
}

/** Whether an address is in a network; a network without a slash is one address. */
export function isInNetwork(address: string, network: string): boolean {
  const [base = '', prefix] = network.split('/')
  const [one, other] = [parse(address), parse(base)]
  if (one.length !== other.length) return false
  const rest = BigInt(one.length - Number(prefix ?? one.length))
  return one.bits >> rest === other.bits >> rest
}

/** Parses a valid address. An IPv4 address within IPv6, ::ffff:10.0.0.1, counts as IPv4. */
function parse(text: string): Address {
  const within = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(text)?.[1] ?? text
  if (!within.includes(':')) return { bits: joinParts(within.split('.').map(Number), 8n), length: 32 }
  const [head = '', tail] = within.split('::')
  const [left, right] = [groups(head), groups(tail ?? '')]
  const missing = tail === undefined ? 0 : 8 - left.length - right.length
  return { bits: joinParts([...left, ...Array<number>(missing).fill(0), ...right], 16n), length: 128 }
}

const groups = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)))

function joinParts(parts: readonly number[], size: bigint): bigint {
  return parts.reduce((bits, part) => (bits << size) | BigInt(part), 0n)
}
