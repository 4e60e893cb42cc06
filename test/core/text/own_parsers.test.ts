/** Tests generated texts with the parsers of supervisor, logrotate and systemd themselves. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { logrotatePattern } from '../../../core/text/logrotate.ts'
import { supervisorValue, supervisorVariable } from '../../../core/text/supervisor.ts'
import { systemdCommand } from '../../../core/text/systemd.ts'
import { refusalOf } from '../../../core/text/writer.ts'
import { needs, scratch } from '../../support/machine.ts'
import { anyText, knownTexts } from './generated_texts.ts'

const generated = (count: number) => [...new Set([...knownTexts, ...fc.sample(anyText, { numRuns: count, seed: 9 })])]

/** Reads configurations as supervisord does, and prints the value of an option and the environment of each. */
const readBySupervisor = `
import io, json, sys
from supervisor.options import ServerOptions
def read(text):
    options = ServerOptions()
    options.here = '/here'
    program = options.read_config(io.StringIO(text)).process_group_configs[0].process_configs[0]
    return [program.serverurl or '', program.environment]
json.dump([read(text) for text in json.load(sys.stdin)], sys.stdout)
`

t.test('supervisor reads each text as written', async (t) => {
  if (!needs(t, ['supervisord'])) return
  const texts = generated(800).filter(
    (text) => refusalOf(supervisorVariable, text) === null && !/^\s*auto\s*$/i.test(text),
  )
  const configurations = texts.map((text) => {
    const environment = `A=${supervisorVariable(text)},B="x"`
    const options = [
      'command=/bin/true',
      `serverurl=${supervisorValue(text)}`,
      `environment=${supervisorValue(environment)}`,
    ]
    return `[supervisord]\n[program:a]\n${options.join('\n')}\n`
  })
  const input = JSON.stringify(configurations)
  const { stdout, stderr } = spawnSync('/usr/bin/python3', ['-c', readBySupervisor], { input, encoding: 'utf8' })
  t.equal(stderr, '')
  const found = JSON.parse(stdout) as readonly (readonly [string, object])[]
  t.strictSame(
    found,
    texts.map((text) => [text, { A: text, B: 'x' }]),
  )
})

t.test('logrotate reads each text as written', async (t) => {
  if (!needs(t, ['root', 'logrotate'])) return
  const top = scratch(t)
  const names = generated(300).map((text) => text.replaceAll('/', '').slice(0, 60))
  const directories = [...new Set(names)].map((name, at) => `${top}/${at}/d${name}`)
  const written = directories.filter(
    (directory) => refusalOf((path) => logrotatePattern(path, '*.log'), directory) === null,
  )
  t.ok(written.length > 100, `${written.length} directories`)
  for (const directory of written) {
    mkdirSync(directory, { recursive: true })
    writeFileSync(`${directory}/x.log`, 'text\n')
  }
  const entries = written.map((directory) => `${logrotatePattern(directory, '*.log')} {\n  su root root\n  size 1\n}\n`)
  writeFileSync(`${top}/configuration`, entries.join(''), { mode: 0o644 })
  const words = ['-d', '-s', `${top}/state`, `${top}/configuration`]
  const { status, stderr } = spawnSync('logrotate', words, { encoding: 'utf8' })
  t.equal(status, 0)
  t.strictSame(
    written.filter((directory) => !stderr.includes(`considering log ${directory}/x.log\n`)),
    [],
  )
})

t.test('systemd reads each text as written', async (t) => {
  if (!needs(t, ['systemd'])) return
  const directory = scratch(t)
  const texts = generated(60).filter((text) => refusalOf((word) => systemdCommand(['/bin/true', word]), text) === null)
  const units = texts.map((text, at) => {
    const path = `${directory}/generated${at}.service`
    writeFileSync(path, `[Service]\nExecStart=${systemdCommand(['/bin/true', text, 'end'])}\n`)
    return path
  })
  const words = ['verify', '--man=no', ...units]
  const { status, stderr } = spawnSync('systemd-analyze', words, { encoding: 'utf8', maxBuffer: 1 << 24 })
  t.equal(status, 0, stderr.slice(0, 2000))
  t.notMatch(stderr, /generated\d/)
})
