/** Tests truncated program files: converge detects each one that the real supervisord cannot read. */
import { spawnSync } from 'node:child_process'
import t from 'tap'
import { seconds } from '../../core/model/units.ts'
import { renderProgram } from '../../resources/supervisor/program_file.ts'
import { isReadable } from '../../resources/supervisor/sections.ts'
import { needs } from '../support/machine.ts'

const text = renderProgram({
  name: 'app-8081',
  app: 'app',
  command: '/srv/www/app/current/bin/serve --port 8081',
  directory: '/srv/www/app/current',
  user: 'root',
  environment: { HOME: '/var/www', QUOTED: `it's "x"`.slice(0, 4), RATE: '50% ;x #y', USER: 'root' },
  autostart: true,
  autorestart: 'unexpected',
  startSeconds: 1,
  startRetries: 3,
  stopSignal: 'TERM',
  stopWait: seconds(60),
  stopAsGroup: true,
  logDir: '/var/log/supervisor',
  logMaxBytes: 10_485_760,
  logBackups: 5,
  type: 'program',
  events: [],
})

/** Reads each text as a file of programs, and prints those that supervisord rejects. */
const read = `
import json, sys, tempfile
from supervisor.options import ServerOptions
refused = []
for text in json.load(sys.stdin):
    with tempfile.NamedTemporaryFile('w', suffix='.conf') as part, tempfile.NamedTemporaryFile('w') as main:
        part.write(text)
        part.flush()
        main.write('[supervisord]\\nchildlogdir=/tmp\\n[include]\\nfiles = %s\\n' % part.name)
        main.flush()
        options = ServerOptions()
        options.configfile = main.name
        options.here = '/tmp'
        try:
            options.process_config(do_usage=False)
            refused.append(False)
        except Exception:
            refused.append(True)
json.dump(refused, sys.stdout)
`

t.test('a file truncated at each character is repaired', async (t) => {
  if (!needs(t, ['supervisord'])) return
  const texts = Array.from({ length: text.length + 1 }, (_, length) => text.slice(0, length))
  const python = spawnSync('/usr/bin/python3', ['-c', read], { input: JSON.stringify(texts), encoding: 'utf8' })
  t.equal(python.status, 0, python.stderr)
  const refused = JSON.parse(python.stdout) as boolean[]
  t.equal(refused.at(-1), false, 'supervisord reads the whole file')
  t.ok(refused.filter((one) => one).length > 50, 'and refuses many parts of it')
  t.ok(isReadable(text))
  const missed = texts.filter((one, index) => refused[index] && isReadable(one)).map((one) => one.slice(-30))
  t.strictSame(missed, [], 'each that it refuses is found to be damaged')
})
