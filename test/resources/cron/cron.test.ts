/** Tests cron: files in /etc/cron.d as root, and blocks in the crontab of an ordinary user. */
import fc from 'fast-check'
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { ConvergeError } from '../../../core/model/errors.ts'
import { cron } from '../../../resources/cron/cron.ts'
import { checkSchedule, longestGapHours } from '../../../resources/cron/cron_schedule.ts'
import { parseCrontab } from '../../../resources/cron/crontab.ts'
import { crontabPrograms, programs, spool } from '../../support/commands.ts'
import { contract, planOf, run } from '../../support/contract.ts'

const commands = programs(crontabPrograms)
const root = { commands }
const ann = { commands, self: { name: 'ann', uid: 1000, gid: 1000, home: '/home/ann', shell: '/bin/sh' } }
const withCron = (host: VirtualHost) => {
  host.given('/usr/bin/crontab', '')
  host.given('/etc/cron.d', null)
}
const job = { name: 'tidy', schedule: '0 1 * * 7', command: 'find /tmp -mtime +7 -delete' }
const written = '# tidy: kept by converge\n0 1 * * 7 root find /tmp -mtime +7 -delete\n'
const block = '# BEGIN converge tidy\n0 1 * * 7 find /tmp -mtime +7 -delete\n# END converge tidy\n'

contract(t, cron, [
  {
    name: 'root: creates a file',
    props: job,
    given: withCron,
    host: root,
    changes: ['replace /owner = "root"', 'replace /mode = "0644"', 'replace /content', 'replace /kind = "file"'],
    then: (t, host) => t.equal(host.readText('/etc/cron.d/tidy'), written),
  },
  {
    name: 'root: for another account, with variables',
    props: { ...job, user: 'deploy', environment: { MAILTO: '', B: ' led by a space', A: "it's", PLAIN: '1' } },
    given: withCron,
    host: root,
    then: (t, host) =>
      t.equal(
        host.readText('/etc/cron.d/tidy'),
        `# tidy: kept by converge\nA="it's"\nB=" led by a space"\nMAILTO=""\nPLAIN=1\n0 1 * * 7 deploy ${job.command}\n`,
      ),
  },
  {
    name: 'root: writes schedule and command of a buildout part',
    props: { ...job, part: { name: 'tidyjob', release: '/srv/r/1', current: '/srv/current', log: '/log' } },
    given: (host) => {
      withCron(host)
      const part = String.raw`recipe = z3c.recipe.usercrontab${'\n'}times = @daily${'\n'}command = /srv/r/1/bin/x +\%H`
      host.given('/srv/r/1/.installed.cfg', `[tidyjob]\n${part}\n`)
    },
    host: root,
    then: (t, host) =>
      t.equal(
        host.readText('/etc/cron.d/tidy'),
        '# tidy: kept by converge\n@daily root /srv/current/bin/x +\\%H >> /log 2>&1\n',
      ),
  },
  {
    name: 'root: passes the command of a buildout part to a runner as an argument',
    props: {
      ...job,
      part: { name: 'tidyjob', release: '/srv/r/1', current: '/srv/current', log: '/log', runner: 'run tidy' },
    },
    given: (host) => {
      withCron(host)
      const part = 'recipe = z3c.recipe.usercrontab\ntimes = @daily\ncommand = /srv/r/1/bin/x | tail'
      host.given('/srv/r/1/.installed.cfg', `[tidyjob]\n${part}\n`)
    },
    host: root,
    then: (t, host) =>
      t.match(host.readText('/etc/cron.d/tidy'), "@daily root run tidy '/srv/current/bin/x | tail' >> /log 2>&1"),
  },
  {
    name: 'root: writes no job for a disabled part',
    props: { ...job, part: { name: 'tidyjob', release: '/srv/r/1', current: '/srv/current' } },
    given: (host) => {
      withCron(host)
      host.given('/etc/cron.d/tidy', written)
      const part = 'recipe = z3c.recipe.usercrontab\ntimes = @daily\ncommand = x\nenabled = off'
      host.given('/srv/r/1/.installed.cfg', `[tidyjob]\n${part}\n`)
    },
    host: root,
    then: (t, host) => t.equal(host.lstat('/etc/cron.d/tidy'), null),
  },
  {
    name: 'root: converts a name that cron would ignore, and escapes percent signs',
    props: { ...job, name: 'my site.example', command: 'date +%H' },
    given: withCron,
    host: root,
    then: (t, host) => {
      const [name = ''] = host.list('/etc/cron.d')
      t.match(name, /^my-site-example-[0-9a-f]{6}$/)
      t.match(host.readText(`/etc/cron.d/${name}`), 'root date +\\%H\n')
    },
  },
  {
    name: 'root: doubles backslashes, which cron removes before percent signs and other backslashes',
    props: { ...job, command: String.raw`echo 'a\%b c\\d e\f' \\\%` },
    given: withCron,
    host: root,
    then: (t, host) => {
      const [, line = ''] = /root (.*)\n$/.exec(host.readText('/etc/cron.d/tidy') ?? '') ?? []
      t.equal(line, String.raw`echo 'a\\\%b c\\\d e\f' \\\\\\\%`)
      // As cron does.
      t.equal(line.replace(/\\([\\%])/g, '$1'), String.raw`echo 'a\%b c\\d e\f' \\\%`)
    },
  },
  {
    name: 'root: corrects mode and content',
    props: job,
    given: (host) => {
      withCron(host)
      host.given('/etc/cron.d/tidy', 'old', '0666')
    },
    host: root,
    changes: ['replace /mode = "0644"', 'replace /content'],
    then: (t, host) =>
      t.match([host.lstat('/etc/cron.d/tidy')?.mode, host.readText('/etc/cron.d/tidy')], ['0644', written]),
  },
  {
    name: 'root: does nothing if mode and content are correct',
    props: job,
    given: (host) => {
      withCron(host)
      host.given('/etc/cron.d/tidy', written)
    },
    host: root,
    changes: [],
  },
  {
    name: 'root: removes the file',
    props: { name: 'tidy', absent: true },
    given: (host) => {
      withCron(host)
      host.given('/etc/cron.d/tidy', written)
    },
    host: root,
    then: (t, host) => t.equal(host.lstat('/etc/cron.d/tidy'), null),
  },
  {
    name: 'root: fails if a directory has its path',
    props: job,
    given: (host) => {
      withCron(host)
      host.given('/etc/cron.d/tidy', null)
    },
    host: root,
    fails: /cron\.d\/tidy is a directory.*move it away/s,
  },
  {
    name: 'user: creates the first crontab',
    props: job,
    given: withCron,
    host: ann,
    changes: ['replace /content', 'replace /kind = "block"'],
    then: (t, host) => t.equal(host.readText(spool(host)), block),
  },
  {
    name: 'user: adds a block to other lines, one of them without a line end',
    props: job,
    given: (host) => {
      withCron(host)
      host.given(spool(host), 'MAILTO=ann\n5 * * * * hers')
    },
    host: ann,
    then: (t, host) => t.equal(host.readText(spool(host)), `MAILTO=ann\n5 * * * * hers\n${block}`),
  },
  {
    name: 'user: replaces its block, and keeps the rest',
    props: { ...job, schedule: '@daily' },
    given: (host) => {
      withCron(host)
      host.given(spool(host), `# hers\n${block}6 * * * * more\n`)
    },
    host: ann,
    changes: ['replace /content'],
    then: (t, host) =>
      t.equal(host.readText(spool(host)), `# hers\n6 * * * * more\n${block.replace('0 1 * * 7', '@daily')}`),
  },
  {
    name: 'user: does nothing if the block is correct',
    props: job,
    given: (host) => {
      withCron(host)
      host.given(spool(host), `# hers\n${block}`)
    },
    host: ann,
    changes: [],
  },
  {
    name: 'user: removes the block',
    props: { name: 'tidy', absent: true },
    given: (host) => {
      withCron(host)
      host.given(spool(host), `# hers\n${block}# more\n`)
    },
    host: ann,
    then: (t, host) => t.equal(host.readText(spool(host)), '# hers\n# more\n'),
  },
  {
    name: 'user: variables apply to this job only',
    props: { ...job, command: 'x', environment: { A: "it's" } },
    given: withCron,
    host: ann,
    then: (t, host) => t.match(host.readText(spool(host)), "0 1 * * 7 export A='it'\\''s'; x\n"),
  },
  {
    name: 'user: refuses variables that would apply to all jobs',
    props: { ...job, environment: { MAILTO: 'x' } },
    given: withCron,
    host: ann,
    fails: /MAILTO would hold for all jobs.*crontab -e/s,
  },
  {
    name: 'user: replaces two blocks, an old one and the declared one, by one',
    props: job,
    given: (host) => {
      withCron(host)
      host.given(spool(host), `# hers\n${block.replace('0 1', '9 9')}5 * * * * hers\n${block}6 * * * * more\n`)
    },
    host: ann,
    changes: ['replace /content'],
    then: (t, host) => t.equal(host.readText(spool(host)), `# hers\n5 * * * * hers\n6 * * * * more\n${block}`),
  },
  {
    name: 'user: removes several blocks at once',
    props: { name: 'tidy', absent: true },
    given: (host) => {
      withCron(host)
      host.given(spool(host), `${block}# hers\n${block}${block}`)
    },
    host: ann,
    then: (t, host) => t.equal(host.readText(spool(host)), '# hers\n'),
  },
  {
    name: 'user: replaces an edited block, with another line inside and blanks after a marker',
    props: job,
    given: (host) => {
      withCron(host)
      host.given(
        spool(host),
        '# BEGIN converge tidy \n# hers\n9 9 * * * find /tmp -delete\n5 * * * * hers\n# END converge tidy\n',
      )
    },
    host: ann,
    then: (t, host) => t.equal(host.readText(spool(host)), `# hers\n5 * * * * hers\n${block}`),
  },
  {
    name: 'user: fails if the beginning of the block is missing',
    props: job,
    given: (host) => {
      withCron(host)
      host.given(spool(host), '1 1 1 1 1 x\n# END converge tidy\n')
    },
    host: ann,
    fails: /none '# BEGIN converge tidy' before it.*crontab -e/s,
  },
  {
    name: 'user: fails if the end of the block is missing, before another block',
    props: job,
    given: (host) => {
      withCron(host)
      host.given(spool(host), `# BEGIN converge tidy\n1 1 1 1 1 x\n5 * * * * hers\n${block}`)
    },
    host: ann,
    fails: /none '# END converge tidy'.*crontab -e/s,
  },
  {
    name: 'user: fails if the end of the block is missing',
    props: job,
    given: (host) => {
      withCron(host)
      host.given(spool(host), '# BEGIN converge tidy\n1 1 1 1 1 x\n')
    },
    host: ann,
    fails: /none '# END converge tidy'.*crontab -e/s,
  },
  {
    name: 'user: fails for another account',
    props: { ...job, user: 'deploy' },
    given: withCron,
    host: ann,
    fails: /only root.*of deploy.*as deploy/s,
  },
  { name: 'fails if cron is not installed', props: job, host: root, fails: /no cron on this host.*names: \['cron'\]/s },
  {
    name: 'refuses a command that cron would drop',
    props: { ...job, command: 'x'.repeat(999) },
    given: withCron,
    host: root,
    fails: /more than 998 bytes.*script/s,
  },
  {
    name: 'refuses a value that cron cannot read',
    props: { ...job, environment: { A: `"'` } },
    given: withCron,
    host: root,
    fails: /both kinds of quotes/,
  },
])

t.test('two names never share a file', async (t) => {
  const host = new VirtualHost({ commands })
  withCron(host)
  await run(
    planOf((r) =>
      ['a b', 'a.b', 'a-b'].forEach((name) => {
        cron(r, { ...job, name })
      }),
    ),
    host,
  )
  t.equal(host.list('/etc/cron.d').length, 3)
})

t.test('accepts valid schedules, and explains invalid ones', (t) => {
  for (const good of [
    '* * * * *',
    '*/5 0-23/2 1,15 jan-MAR mon-fri',
    '59 23 31 12 7',
    '@reboot',
    '0 1 * * Sun',
    '0\t1 * * 0',
  ])
    t.equal(checkSchedule(good), null, good)
  for (const [bad, word] of [
    ['60 * * * *', /minute takes 0 to 59.*'60'/],
    ['* 24 * * *', 'hour'],
    ['* * 0 * *', 'day of the month'],
    ['* * * 13 *', 'month takes 1 to 12 or jan to dec'],
    ['* * * * 8', 'day of the week'],
    ['* * * * fun', 'day of the week'],
    ['*/0 * * * *', 'minute'],
    ['5/10 * * * *', 'minute'],
    ['9-5 * * * *', 'minute'],
    ['1,,2 * * * *', 'minute'],
    ['* * * *', 'five fields'],
    ['* * * * * root', 'five fields'],
    ['@often', '@daily'],
    ['', 'five fields'],
  ] as const)
    t.match(checkSchedule(bad), word, bad)
  t.end()
})

t.test('checks properties before any change', (t) => {
  const problem = (props: Parameters<typeof cron>[1]): string => {
    try {
      planOf((r) => cron(r, props))
    } catch (error) {
      if (error instanceof ConvergeError) return `${error.message} ${error.hint}`
      throw error
    }
    return ''
  }
  t.match(problem({ ...job, schedule: '61 * * * *' }), /property schedule: the minute takes 0 to 59.*got "61/)
  t.match(problem({ ...job, command: 'a\nb' }), /property command: a command on one line/)
  t.match(problem({ name: 'tidy' } as never), 'required unless absent')
  t.match(problem({ ...job, environment: { 'A-B': '1' } }), 'environment')
  t.end()
})

t.test('a block that was edited is found whole, and its job is not kept a second time', (t) => {
  const [first = '', line = '', last = ''] = block.split('\n')
  const texts: Readonly<Record<string, string>> = {
    [`${first}\n${line}\n${last}\n`]: '',
    [`  ${first}\n ${line}\n\t${last} \n`]: '',
    [`${first}\r\n${line}\r\n${last}\r\n`]: '',
    [`${first}\nMAILTO=ann\n${line}\n${last}\n`]: 'MAILTO=ann\n',
    [`${first}\n# hers\nPATH = /opt/bin\n"A" = b\n${line}\n5 * * * * hers\n${last}\n`]:
      '# hers\nPATH = /opt/bin\n"A" = b\n5 * * * * hers\n',
  }
  for (const [text, rest] of Object.entries(texts)) {
    const found = parseCrontab(text, 'tidy')
    t.equal(found.rest, rest, text)
    t.not(found.blocks, null)
  }
  t.end()
})

t.test('removes only the blocks from any lines', async () => {
  const line = fc.oneof(
    fc.constantFrom('', '# x', '5 * * * * hers', '# BEGIN converge tidy up'),
    fc.stringMatching(/^[ -~]{0,20}$/),
  )
  const others = fc.array(
    line.filter((one) => !/^\s*# (BEGIN|END) converge tidy\s*$/.test(one)),
    { maxLength: 6 },
  )
  fc.assert(
    fc.property(fc.array(others, { minLength: 1, maxLength: 5 }), (parts) => {
      const text = parts.map((lines) => lines.map((one) => `${one}\n`).join('')).join(block)
      const { blocks, rest } = parseCrontab(text, 'tidy')
      return (
        rest ===
          parts
            .flat()
            .map((one) => `${one}\n`)
            .join('') && (blocks ?? '') === block.repeat(parts.length - 1)
      )
    }),
  )
})

/** Parts of a crontab as an account may have left it, each with the lines that stay: blocks of the job, and other lines. */
const anyPart = (() => {
  const own = fc.constantFrom(
    ...['', ' ', '# mine', '5 * * * * mine', '@daily mine', '*/5 * * * * mine', 'MAILTO=ann', '"A B" = c', "'A' = 'b'"],
    ...['# BEGIN converge other', '# END converge other', '# BEGIN converge tidy up', '# END converge tidying'],
    ...['#BEGIN converge tidy', '5 * * * * printf "# BEGIN converge tidy"', '5 * * * * tab\there', '\ufeff# mine'],
  )
  const [first = '', line = '', last = ''] = block.split('\n')
  const inside = fc.array(
    fc.oneof(
      own.filter((one) => !/^# (BEGIN|END) /.test(one)),
      fc.constantFrom(line, ` ${line} `),
    ),
    {
      maxLength: 4,
    },
  )
  const whole = fc.tuple(inside, fc.constantFrom('', ' ', '\t')).map(([lines, blanks]) => {
    const job = lines.findIndex((one) => /^\s*[\d*@]/.test(one))
    return {
      lines: [`${blanks}${first}${blanks}`, ...lines, last],
      stay: lines.filter((_, at) => at !== job),
      isCut: false,
    }
  })
  const cut = fc.constantFrom(first, last).map((mark) => ({ lines: [mark], stay: [], isCut: true }))
  const others = own.map((one) => ({ lines: [one], stay: [one], isCut: false }))
  return fc.oneof({ arbitrary: others, weight: 9 }, { arbitrary: whole, weight: 4 }, { arbitrary: cut, weight: 1 })
})()

t.test('a run on any crontab keeps one block and all other lines, or refuses it unchanged', async (t) => {
  const counts = { kept: 0, refused: 0 }
  const parts = fc.array(anyPart, { maxLength: 9 })
  const shown = (lines: readonly string[]) => lines.map((line) => line.trim()).filter((line) => line !== '')
  await fc.assert(
    fc.asyncProperty(parts, fc.constantFrom('\n', '\r\n'), fc.boolean(), fc.boolean(), async (...given) => {
      const [parts, lineEnd, isEnded, absent] = given
      const text = parts.flatMap(({ lines }) => lines).join(lineEnd) + (isEnded ? lineEnd : '')
      const host = new VirtualHost(ann)
      withCron(host)
      host.given(spool(host), text)
      const plan = planOf((r) => cron(r, absent ? { name: 'tidy', absent } : job))
      const { outcome } = await run(plan, host)
      const now = host.readText(spool(host)) ?? ''
      if (outcome === 'failed') {
        counts.refused++
        return now === text && parts.some(({ isCut }) => isCut)
      }
      counts.kept++
      const { blocks, rest } = parseCrontab(now, 'tidy')
      await run(plan, host)
      const stay = shown(parts.flatMap((part) => part.stay))
      const isCut = parts.some((part) => part.isCut)
      return (
        blocks === (absent ? null : block) &&
        host.readText(spool(host)) === now &&
        // A beginning and an end of different blocks make one, with the lines between them.
        (isCut || shown(rest.split('\n')).join('\n') === stay.join('\n'))
      )
    }),
    { numRuns: 300 },
  )
  t.ok(counts.kept > 50 && counts.refused > 10, JSON.stringify(counts))
})

t.test('the longest time between two runs', (t) => {
  const cases = [
    ['0 8 * * 0-6', 24],
    ['0 8 * * 0', 168],
    ['0 8 * * sun,7', 168],
    ['0 8 * * mon-fri', 72],
    ['*/30 2,14 * * *', 11.5],
    ['0 8-16/4 * * *', 16],
    ['* * * * *', 1 / 60],
  ] as const
  for (const [schedule, hours] of cases) t.equal(longestGapHours(schedule), hours, schedule)
  t.end()
})
