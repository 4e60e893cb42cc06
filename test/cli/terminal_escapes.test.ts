/** Texts of the app's account as they reach a terminal. */
import * as fs from 'node:fs'
import t from 'tap'
import { plain, printable, printableJson } from '../../core/report/printable.ts'
import { Sandbox } from '../support/program.ts'

const hostile = '\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b[8mhidden\x9b2J\x85\u202eevil\u2066\r\nforged line\x7f'
const steering = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/

t.test('what is printable', (t) => {
  t.notMatch(plain(hostile), steering)
  const own = '\x1b[1mbold\x1b[22m \x1b[32mgreen\x1b[39m'
  t.equal(printable(own, true), own, 'our own colours stay')
  t.equal(printable(own, false), 'bold green')
  t.notMatch(printable(hostile, true).replaceAll('\x1b[31m', ''), steering)
  t.equal(printable('a\tb\né ü 漢', true), 'a\tb\né ü 漢')
  const json = printableJson({ hostile }, 2)
  t.notMatch(json, steering)
  t.strictSame(JSON.parse(json), { hostile })
  t.end()
})

t.test('releases and status show nothing that steers the terminal, and no forged line', async (t) => {
  const place = new Sandbox(t)
  const scm = { scm_type: 'git', repository: '/srv/site.git' }
  place.write({ 'site.json': JSON.stringify({ deploy: { plone_instances: { scm } } }) })
  const app = place.at('site/srv/www/plone_instances')
  const id = '000001-1a2b3c4d'
  fs.mkdirSync(`${app}/releases/${id}/.converge`, { recursive: true })
  fs.writeFileSync(`${app}/releases/${id}/.converge/complete`, '')
  const release = {
    id,
    commit: '1a2b3c4d',
    identity: 'x',
    repository: 'r',
    revision: hostile,
    created: hostile,
    by: hostile,
    record: {},
    boot: null,
  }
  fs.writeFileSync(`${app}/releases/${id}/.converge/release.json`, JSON.stringify(release))
  fs.symlinkSync(`${app}/releases/${id}`, `${app}/current`)
  const args = ['--role', 'zeo-client', '--json', 'site.json', '--prefix', 'site']
  for (const command of ['releases', 'status'])
    for (const color of [[], ['--color']]) {
      const { stdout } = await place.converge([command, ...args, ...color])
      t.match(stdout, 'evil', `${command}: the text is shown`)
      t.notMatch(stdout.replaceAll(/\x1b\[\d+m/g, ''), steering, command)
      t.notMatch(stdout, /^forged/m, command)
      t.notMatch(stdout, /\x1b\[(31mred|8m)/, command)
    }
  const { stdout } = await place.converge(['releases', ...args, '--json-output'])
  t.equal(JSON.parse(stdout).apps[0].releases[0].by, hostile, 'a program gets what is there')
})
