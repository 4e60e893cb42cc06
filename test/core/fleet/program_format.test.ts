/** Tests which architecture a program's header names, and that no file content breaks the parser. */
import { writeFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { type Architecture, incompatibilityOf } from '../../../core/fleet/program_format.ts'
import { elf } from '../../support/elf.ts'

const file = `${t.testdir()}/program`

function of(content: Uint8Array, expected: Architecture, libc?: 'glibc' | 'musl'): string | null {
  writeFileSync(file, content)
  return incompatibilityOf(file, expected, libc)
}

t.test('compares the architecture', async (t) => {
  const own = process.arch === 'arm' ? 'armv7l' : (process.arch as Architecture)
  t.equal(incompatibilityOf(process.execPath, own), null, 'the Node that runs here')
  for (const [machine, name, bits] of [
    [62, 'x64', 64],
    [183, 'arm64', 64],
    [40, 'armv7l', 32],
    [21, 'ppc64le', 64],
  ] as const) {
    t.equal(of(elf({ machine, bits }), name), null, name)
    t.equal(
      of(elf({ machine, bits }), name === 'x64' ? 'arm64' : 'x64'),
      `is a program for ${name}, not for ${name === 'x64' ? 'arm64' : 'x64'}`,
    )
  }
  t.equal(of(elf({ machine: 8 }), 'x64'), 'is a program for the processor type 8, not for x64')
  t.equal(
    of(elf({ machine: 21, bigEndian: true }), 'ppc64le'),
    'is a program for a big-endian processor, not for ppc64le',
  )
  for (const content of ['', '#!/bin/sh\nexec node "$@"\n', '\x7fELF'])
    t.equal(of(Buffer.from(content, 'latin1'), 'x64'), 'is not a program for Linux (ELF)')
})

t.test('compares the C library', async (t) => {
  const sampleProgram = (loader?: string) => elf({ machine: 183, ...(loader === undefined ? {} : { loader }) })
  const [glibc, musl] = ['/lib/ld-linux-aarch64.so.1', '/lib/ld-musl-aarch64.so.1']
  t.equal(of(sampleProgram(glibc), 'arm64', 'glibc'), null)
  t.equal(of(sampleProgram(glibc), 'arm64', 'musl'), 'is a program for glibc, and the host has musl')
  t.equal(of(sampleProgram(musl), 'arm64', 'glibc'), 'is a program for musl, and the host has glibc')
  t.equal(of(sampleProgram(musl), 'arm64'), null, 'of no host in particular')
  t.equal(of(sampleProgram(), 'arm64', 'musl'), null, 'linked statically')
  const narrow = elf({ machine: 40, bits: 32, loader: '/lib/ld-linux-armhf.so.3' })
  t.equal(of(narrow, 'armv7l', 'musl'), 'is a program for glibc, and the host has musl')
})

t.test('any bytes after the magic number either fit or give one reason', async () => {
  const bytes = fc.uint8Array({ minLength: 12, maxLength: 200 })
  fc.assert(
    fc.property(bytes, fc.constantFrom(1, 2), (rest, wide) => {
      const problem = of(Buffer.concat([Buffer.from([0x7f, 0x45, 0x4c, 0x46, wide, 1]), rest]), 'x64', 'musl')
      if (problem !== null && !/^is (not )?a program for /.test(problem)) throw new Error(problem)
    }),
  )
})
