/** Tests known_hosts files: the meaning of a line, the hosts it matches, and that an added line is found again. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import {
  algorithmsFor,
  appendKnownHost,
  isAbout,
  knownKeyTypes,
  parseKnownHosts,
  readKnownHosts,
  searchKey,
} from '../../../../core/fleet/ssh/known_hosts.ts'
import { matchesPattern, matchesPatterns } from '../../../../core/fleet/ssh/patterns.ts'
import { fingerprint, wireString } from '../../../../core/fleet/ssh/wire.ts'

const key = (seed: string, type = 'ssh-ed25519') => Buffer.concat([wireString(type), wireString(seed.padEnd(32, '.'))])
const [one, two, three] = [key('one'), key('two'), key('three')]
const line = (hosts: string, data: Buffer, type = 'ssh-ed25519') => `${hosts} ${type} ${data.toString('base64')}`
const lines = (...rows: string[]) => parseKnownHosts(rows.join('\n'), 'known').lines
const verdict = (rows: string[], names: string[], data = one) => searchKey(lines(...rows), names, data)

t.test('finds a host by its name, lists of names, patterns and port', async (t) => {
  t.match(verdict([line('web1', one)], ['web1']), { is: 'known' })
  t.match(verdict([line('web1,10.0.0.1', one)], ['10.0.0.1']), { is: 'known' })
  t.match(verdict([line('*.example.org', one)], ['www.EXAMPLE.org']), { is: 'known' })
  t.match(verdict([line('web?', one)], ['web10']), { is: 'new' })
  t.match(verdict([line('*,!web2', one)], ['web2']), { is: 'new' })
  t.match(verdict([line('*,!web2', one)], ['web3']), { is: 'known' })
  t.match(verdict([line('[web1]:2222', one)], ['[web1]:2222', 'web1']), { is: 'known' })
  t.match(verdict([line('[web1]:2222', one)], ['web1']), { is: 'new' })
  t.match(verdict([line('web1', one)], ['[web1]:2222', 'web1']), { is: 'known' }, 'as ssh: also without its port')
  t.match(verdict([line('web1', two)], ['[web1]:2222', 'web1']), { is: 'new' }, 'another sshd of that host')
})

t.test('a different key is a contradiction, whatever its type', async (t) => {
  const found = verdict(['# a comment', '', line('web1', two), line('web1', three)], ['web1'])
  t.match(found, { is: 'changed', lines: [{ line: 3 }, { line: 4 }] })
  t.match(verdict([line('web1', two), line('web1', one)], ['web1']), { is: 'known' }, 'one of several')
  const rsa = key('one', 'ssh-rsa')
  t.match(verdict([line('web1', rsa, 'ssh-rsa')], ['web1']), { is: 'changed' })
})

t.test('refuses a revoked key, also if it is known too', async (t) => {
  const rows = [line('web1', one), `@revoked ${line('*', one)}`]
  t.match(verdict(rows, ['web1']), { is: 'revoked', line: { line: 2 } })
  t.match(verdict(rows, ['web1'], two), { is: 'changed' })
  t.match(verdict([`@revoked ${line('db1', one)}`], ['web1']), { is: 'new' }, 'revoked for another host')
})

t.test('an authority makes a key certifiable, and is not a host key', async (t) => {
  const rows = [`@cert-authority ${line('*.example.org', one)}`]
  t.match(verdict(rows, ['a.example.org'], two), { is: 'certifiable', authorities: [{ line: 1 }], lines: [] })
  t.match(verdict(rows, ['a.example.org'], one), { is: 'certifiable' })
  t.match(verdict([...rows, line('a.example.org', two)], ['a.example.org'], two), { is: 'known' })
})

t.test('reports invalid lines, and uses the others', async (t) => {
  const rows = ['web1', 'web1 ssh-ed25519', 'web1 ssh-rsa AAAA', `@what ${line('web1', one)}`, line('web2', one)]
  const wrongType = `web3 ssh-rsa ${one.toString('base64')}`
  const { lines: good, unreadable } = parseKnownHosts([...rows, wrongType].join('\r\n'), 'f')
  t.same(
    unreadable.map((at) => at.line),
    [1, 2, 3, 4, 6],
  )
  t.match(good, [{ hosts: 'web2', line: 5 }])
})

t.test('known key types come first, those for the name with its port before the others', async (t) => {
  const rsa = key('r', 'ssh-rsa')
  const known = lines(line('web1', rsa, 'ssh-rsa'), line('[web1]:22022', one), `@revoked ${line('web1', two)}`)
  t.same(algorithmsFor(knownKeyTypes(known, ['web1'])).slice(0, 3), ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-ed25519'])
  t.equal(algorithmsFor(knownKeyTypes(known, ['[web1]:22022', 'web1']))[0], 'ssh-ed25519')
  t.equal(algorithmsFor(knownKeyTypes(known, ['[web1]:33', 'web1']))[0], 'rsa-sha2-512')
  t.equal(algorithmsFor(['sk-ssh-ed25519@openssh.com']).length, 6)
  t.notOk(algorithmsFor(['ssh-rsa']).includes('ssh-rsa'), 'no SHA-1')
})

t.test('prints fingerprints as ssh-keygen does', async (t) => {
  const known = Buffer.from('AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl', 'base64')
  t.equal(fingerprint(known), 'SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU')
})

const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9.-]{0,20}$/)
const port = fc.integer({ min: 1, max: 65_535 })

t.test('finds the added line, and under no other name', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'known-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  let run = 0
  fc.assert(
    fc.property(name, name, port, fc.boolean(), fc.boolean(), (host, other, number, hash, unfinished) => {
      const file = join(directory, `${++run}/known_hosts`)
      const full = number === 22 ? host : `[${host}]:${number}`
      appendKnownHost(file, 'first', two, { hash })
      if (unfinished) writeFileSync(file, readFileSync(file, 'utf8').trimEnd())
      appendKnownHost(file, full, one, { hash })
      const known = readKnownHosts([file]).lines
      return (
        known.length === 2 &&
        searchKey(known, [full], one).is === 'known' &&
        searchKey(known, [full.toUpperCase()], one).is === 'known' &&
        searchKey(known, [full], three).is === 'changed' &&
        searchKey(known, ['first'], two).is === 'known' &&
        (other.toLowerCase() === host.toLowerCase() ||
          searchKey(known, [`[${other}]:${number}`], one).is !== 'known') &&
        readFileSync(file, 'utf8').includes(full.toLowerCase()) !== hash &&
        (statSync(file).mode & 0o777) === 0o600
      )
    }),
    { numRuns: 60 },
  )
})

t.test('finds a hashed name only by that name', async (t) => {
  const salted = '|1|W3hh0D+Ki0AFKFTlOyMKLdsBGXg=|'
  t.notOk(isAbout({ hosts: `${salted}AAAA` }, 'web1'))
  t.notOk(isAbout({ hosts: '|2|a|b' }, 'web1'), 'another way to hash')
  t.notOk(isAbout({ hosts: '|1|' }, 'web1'))
})

/** A simple implementation to compare with, which matches character by character. */
function slowFits(pattern: string, text: string): boolean {
  if (pattern === '') return text === ''
  if (pattern[0] === '*') return slowFits(pattern.slice(1), text) || (text !== '' && slowFits(pattern, text.slice(1)))
  if (text === '') return false
  return (pattern[0] === '?' || pattern[0] === text[0]) && slowFits(pattern.slice(1), text.slice(1))
}

t.test('patterns match as a slow comparison does', async () => {
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*', '?', '[', '+', '\\'), maxLength: 8 })
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '.', '[', '+', '\\'), maxLength: 8 })
  fc.assert(fc.property(pattern, text, (one, other) => matchesPattern(one, other) === slowFits(one, other)))
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), pattern), { maxLength: 4 }), text, (list, other) => {
      const hit = (negated: boolean) => list.some(([not, one]) => not === negated && slowFits(one, other))
      const written = list.map(([not, one]) => (not ? `!${one}` : one))
      return matchesPatterns(written, other) === (hit(false) && !hit(true))
    }),
  )
})

t.test('an unreadable file is an error, a missing one is not', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'known-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  t.same(readKnownHosts([join(directory, 'none')]).lines, [])
  t.throws(() => readKnownHosts([directory]), {
    code: 'KNOWN_HOSTS_UNUSABLE',
    message: /: it cannot be read: it is a directory, not a regular file$/,
  })
  const stored = { code: 'KNOWN_HOSTS_UNUSABLE', message: /cannot be stored: .*directory/ }
  t.throws(() => appendKnownHost(directory, 'a', one, { hash: false }), stored)
})
