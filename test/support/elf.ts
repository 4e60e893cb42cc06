/** Builds the header of an ELF program for another architecture, according to elf(5). */

export interface ElfOptions {
  /** e_machine: 62 is x64, 183 arm64, 40 armv7l. */
  readonly machine: number
  /** Default: 64. */
  readonly bits?: 32 | 64
  /** The path of the loader; default: none, the program is linked statically. */
  readonly loader?: string
  readonly bigEndian?: boolean
  /** Bytes that follow the header. */
  readonly rest?: Uint8Array
}

export function elf({ machine, bits = 64, loader, bigEndian = false, rest = new Uint8Array(0) }: ElfOptions): Buffer {
  const wide = bits === 64
  const [headSize, entrySize] = wide ? [64, 56] : [52, 32]
  // Two entries: one that the reader skips, and the loader.
  const head = Buffer.alloc(headSize + 2 * entrySize)
  head.write('\x7fELF', 'latin1')
  head.set([wide ? 2 : 1, bigEndian ? 2 : 1, 1], 4)
  if (bigEndian) head.writeUInt16BE(machine, 18)
  else head.writeUInt16LE(machine, 18)
  const put = (value: number, at: number) =>
    wide ? head.writeBigUInt64LE(BigInt(value), at) : head.writeUInt32LE(value, at)
  put(headSize, wide ? 32 : 28)
  head.writeUInt16LE(entrySize, wide ? 54 : 42)
  head.writeUInt16LE(loader === undefined ? 1 : 2, wide ? 56 : 44)
  const second = headSize + entrySize
  head.writeUInt32LE(1, headSize)
  head.writeUInt32LE(3, second)
  const text = Buffer.from(loader === undefined ? '' : `${loader}\0`)
  put(head.length, second + (wide ? 8 : 4))
  put(text.length, second + (wide ? 32 : 16))
  return Buffer.concat([head, text, rest])
}
