/** Tests links to eggs that another app has built, in real directories. */
import { chownSync, existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { LocalHost } from '../../../core/host/local.ts'
import { linkEggs } from '../../../resources/python/linked_eggs.ts'
import { scratch } from '../../support/machine.ts'

const abi = 'eggs/v5/cp311'

function areas(t: Test) {
  const directory = scratch(t)
  const [shared, other] = [`${directory}/site`, `${directory}/zeo`]
  const egg = (base: string, name: string, text: string) => {
    mkdirSync(`${base}/${abi}/${name}`, { recursive: true })
    writeFileSync(`${base}/${abi}/${name}/code.py`, text)
  }
  mkdirSync(`${shared}/eggs`, { recursive: true })
  egg(other, 'ZODB-6.egg', 'zodb')
  egg(other, 'ZEO-6.egg', 'zeo')
  const link = () => linkEggs(new LocalHost(`${directory}/state`), { shared, directory }, [other])
  return { shared, other, egg, link }
}

t.test('links missing complete eggs', async (t) => {
  const { shared, other, egg, link } = areas(t)
  egg(shared, 'ZEO-6.egg', 'its own')
  egg(other, 'tmpab12', 'half')
  writeFileSync(`${other}/eggs/old-1.egg`, 'a zipped egg')
  t.equal(await link(), 2)
  t.strictSame(readdirSync(`${shared}/${abi}`).sort(), ['ZEO-6.egg', 'ZODB-6.egg'])
  const inode = (base: string, name: string) => statSync(`${base}/${abi}/${name}/code.py`).ino
  t.equal(inode(shared, 'ZODB-6.egg'), inode(other, 'ZODB-6.egg'))
  t.not(inode(shared, 'ZEO-6.egg'), inode(other, 'ZEO-6.egg'), 'existing eggs stay')
  t.ok(existsSync(`${shared}/eggs/old-1.egg`))
  t.equal(await link(), 0, 'again: nothing is missing')
})

t.test('links none while the other app builds, or after its build was killed', async (t) => {
  const { shared, other, link } = areas(t)
  writeFileSync(`${other}/.converge-building.json`, '{}')
  t.equal(await link(), 0)
  t.notOk(existsSync(`${shared}/eggs/v5`))
})

t.test('links no eggs of another account', async (t) => {
  const { shared, other, link } = areas(t)
  if (process.getuid?.() === 0) {
    chownSync(`${other}/eggs`, 65534, 65534)
    t.equal(await link(), 0)
  }
  const directory = scratch(t)
  mkdirSync(`${directory}/eggs`)
  symlinkSync(shared, `${directory}/site`)
  const host = new LocalHost(`${directory}/state`)
  t.equal(await linkEggs(host, { shared, directory }, [directory, `${directory}/nothing`, shared]), 0)
})

t.test('a failed link leaves nothing incomplete', async (t) => {
  const { shared, link } = areas(t)
  writeFileSync(`${shared}/eggs/v5`, 'in the way')
  t.equal(await link(), 0)
  t.strictSame(readdirSync(`${shared}/eggs`), ['v5'])
})
