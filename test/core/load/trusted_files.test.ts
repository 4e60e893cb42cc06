/** Tests which configuration in the working directory runs without being named. */
import * as fs from 'node:fs'
import { dirname } from 'node:path'
import t, { type Test } from 'tap'
import { reasonNotToTrust } from '../../../core/load/trusted_files.ts'
import { needs } from '../../support/machine.ts'

const self = process.getuid?.() ?? 0

function trustedFile(t: Test): string {
  const directory = fs.realpathSync(t.testdir({ site: { 'converge.config.ts': 'export default {}' } }))
  fs.chmodSync(directory, 0o755)
  fs.chmodSync(`${directory}/site`, 0o755)
  fs.chmodSync(`${directory}/site/converge.config.ts`, 0o644)
  return `${directory}/site/converge.config.ts`
}

/** Returns all owners of parent directories, so that the environment does not affect a test. */
function owners(path: string): number[] {
  const { uid } = fs.lstatSync(path)
  return path === '/' ? [uid] : [uid, ...owners(dirname(path))]
}

t.test('trusts only the files of the owner', (t) => {
  const file = trustedFile(t)
  t.equal(reasonNotToTrust(file, [self], false), null)
  t.match(reasonNotToTrust(file, [self + 1], false), `${file} belongs to another account (uid ${self})`)
  t.end()
})

t.test('as root, trusts no file in a directory that others can write to', (t) => {
  const file = trustedFile(t)
  const trusted = owners(file)
  t.notMatch(reasonNotToTrust(file, trusted, true) ?? '', /site/)
  for (const path of [file, dirname(file), dirname(dirname(file))])
    for (const mode of [0o777, 0o1777]) {
      const before = fs.statSync(path).mode
      fs.chmodSync(path, mode)
      t.equal(reasonNotToTrust(file, trusted, true), `everybody may write to ${path}`)
      t.equal(reasonNotToTrust(file, trusted, false), null)
      fs.chmodSync(path, before & 0o7777)
    }
  t.end()
})

t.test('as root, trusts no file that another group can write to', (t) => {
  if (!needs(t, ['root'])) return t.end()
  const file = trustedFile(t)
  const trusted = owners(file)
  for (const path of [file, dirname(file)]) {
    const before = fs.statSync(path).mode
    fs.chmodSync(path, 0o775)
    fs.chownSync(path, -1, 65534)
    t.equal(reasonNotToTrust(file, trusted, true), `its group (gid 65534) may write to ${path}`)
    t.equal(reasonNotToTrust(file, trusted, false), null)
    fs.chownSync(path, -1, 0)
    t.equal(reasonNotToTrust(file, trusted, true)?.includes('its group') ?? false, false, 'the group of root may')
    fs.chmodSync(path, before & 0o7777)
  }
  t.end()
})

t.test('the owner of a link counts, and its target', (t) => {
  const file = trustedFile(t)
  const link = `${dirname(file)}/converge.config.mjs`
  fs.symlinkSync(file, link)
  const trusted = owners(file)
  t.match(reasonNotToTrust(link, [self + 1], false), link)
  fs.chmodSync(file, 0o666)
  t.equal(reasonNotToTrust(link, trusted, true), `everybody may write to ${file}`)
  t.end()
})
