/** Detects the architecture and the C library of programs, and names architectures as uname and Node do. */
import { closeSync, openSync, readSync } from 'node:fs'
import { withPathInErrors } from '../model/file_errors.ts'

/** Architectures: the name in the output of uname(1) → the name in Node's own downloads. */
export const architectures = { x86_64: 'x64', aarch64: 'arm64', armv7l: 'armv7l', ppc64le: 'ppc64le' } as const

export type Architecture = (typeof architectures)[keyof typeof architectures]

export type Libc = 'glibc' | 'musl'

/** e_machine of elf(5). */
const machineNames: Readonly<Record<number, string>> = {
  3: '32-bit x86',
  21: 'ppc64le',
  22: 's390x',
  40: 'armv7l',
  62: 'x64',
  183: 'arm64',
  243: 'riscv64',
}

interface ProgramTarget {
  readonly machine: string
  /** Null: it requires none. */
  readonly libc: Libc | null
}

/**
 * Explains why a program cannot run on such a host; null where nothing prevents it.
 * @param libc that of the host; undefined: any
 */
export function incompatibilityOf(program: string, expected: Architecture, libc?: Libc): string | null {
  const target = readProgramTarget(program)
  if (target === null) return 'is not a program for Linux (ELF)'
  if (target.machine !== expected) return `is a program for ${target.machine}, not for ${expected}`
  if (libc === undefined || target.libc === null || target.libc === libc) return null
  return `is a program for ${target.libc}, and the host has ${libc}`
}

/** Reads what an ELF file was built for; null: the file is not ELF. */
function readProgramTarget(program: string): ProgramTarget | null {
  const file = openSync(program, 'r')
  try {
    const part = (at: number, length: number) => {
      const bytes = Buffer.alloc(length)
      return bytes.subarray(
        0,
        Number.isSafeInteger(at) ? withPathInErrors(program, () => readSync(file, bytes, 0, length, at)) : 0,
      )
    }
    const head = part(0, 64)
    if (head.length < 64 || head.toString('latin1', 0, 4) !== '\x7fELF') return null
    // All supported architectures are little-endian.
    if (head[5] !== 1) return { machine: 'a big-endian processor', libc: null }
    const number = head.readUInt16LE(18)
    const name = machineNames[number] ?? `the processor type ${number}`
    return { machine: name, libc: readLibc(head, part) }
  } finally {
    closeSync(file)
  }
}

/** Detects the C library by the program interpreter: PT_INTERP. */
function readLibc(head: Buffer, part: (at: number, length: number) => Buffer): Libc | null {
  const wide = head[4] === 2
  const number = (bytes: Buffer, at: number) => (wide ? Number(bytes.readBigUInt64LE(at)) : bytes.readUInt32LE(at))
  const table = number(head, wide ? 32 : 28)
  const [size, count] = [head.readUInt16LE(wide ? 54 : 42), head.readUInt16LE(wide ? 56 : 44)]
  for (let index = 0; index < count; index++) {
    const entry = part(table + index * size, wide ? 56 : 32)
    if (entry.length < (wide ? 56 : 32)) return null
    if (entry.readUInt32LE(0) !== 3) continue
    const [at, length] = wide ? [number(entry, 8), number(entry, 32)] : [number(entry, 4), number(entry, 16)]
    const loader = part(at, Math.min(length, 256)).toString('latin1')
    if (loader.includes('ld-musl')) return 'musl'
    return /\/ld(-linux|64|\.so)/.test(loader) ? 'glibc' : null
  }
  return null
}
