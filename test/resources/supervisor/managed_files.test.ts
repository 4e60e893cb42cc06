/**
 * Tests that damaged files of converge are rewritten, and that files of others which define its programs are rejected.
 */
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { service_restart } from '../../../resources/services/service_restart.ts'
import { supervisor_program } from '../../../resources/supervisor/supervisor_program.ts'
import { failureOf, planOf, run } from '../../support/contract.ts'
import { FakeSupervisor } from '../../support/fake_supervisor.ts'

const path = '/etc/supervisor/conf.d/shop.conf'
const environment = { A: '1', B: 'two' }
const plan = planOf((r) => supervisor_program(r, { name: 'shop', app: 'shop', command: '/bin/shop', environment }))
const hostWith = () => new VirtualHost().given('/etc/supervisor/conf.d', null)

/** Kinds of damage to a file of converge. */
const damages: Readonly<Record<string, (text: string) => string>> = {
  empty: () => '',
  'only a line break': () => '\n',
  'cut within the first line': (text) => text.slice(0, 9),
  'cut in the middle': (text) => text.slice(0, text.length / 2),
  'without its first line': (text) => text.slice(text.indexOf('\n') + 1),
  'without its beginning': (text) => text.slice(text.length / 2),
  garbage: () => '\0\u0001\ufffd{]',
  'zeros as after a power cut': (text) => '\0'.repeat(text.length),
  'another text behind it': (text) => `${text}<<<<<<< HEAD\n`,
  'other line ends': (text) => text.replaceAll('\n', '\r\n'),
}

for (const [name, damage] of Object.entries(damages))
  t.test(`repairs a damaged file: ${name}`, async (t) => {
    const host = hostWith()
    await run(plan, host)
    const whole = host.readText(path) ?? ''
    // Written by a version that did not record its files, and by this one.
    for (const one of [hostWith(), host]) {
      one.writeFile(path, damage(whole))
      t.strictSame(failureOf(await run(plan, one)), undefined)
      t.equal(one.readText(path), whole)
      t.equal((await run(plan, one)).outcome, 'unchanged')
    }
  })

t.test('repairs a damaged program of one app before the restart of another, which comes first', async (t) => {
  const fake = new FakeSupervisor()
  const order: string[] = []
  const host = new VirtualHost({
    requests: (options, on) => fake.requests(options, on),
    beforeChange: (_, what) => void order.push(what),
  }).given('/etc/supervisor/conf.d', null)
  const both = planOf((r) => {
    const provider = { kind: 'supervisor' as const }
    for (const name of ['zeo', 'shop']) {
      const { digest } = supervisor_program(r, { name, command: `/bin/${name}` })
      service_restart(r, { provider, services: [{ name, configuration: digest }] })
    }
  })
  await run(both, host)
  const other = '/etc/supervisor/conf.d/zeo.conf'
  const whole = host.readText(other) ?? ''
  host.writeFile(other, whole.replace('/bin/zeo', '/bin/old'))
  for (const broken of ['\0', 'command=x\n', '[program:shop]\nautostart=true\n', '[program:shop\n']) {
    host.writeFile(path, broken)
    order.length = 0
    t.equal((await run(both, host)).outcome, 'changed')
    const at = (text: string) => order.findIndex((what) => what.includes(text))
    t.ok(at(`write ${path}`) >= 0 && at(`write ${path}`) < at('reloadConfig'), order.join())
    t.equal((await run(both, host)).outcome, 'unchanged')
  }
})

t.test('overwrites a file replaced by hand if converge wrote it, and refuses it otherwise', async (t) => {
  const other = '[program:shop]\ncommand=/bin/other\n'
  const host = hostWith()
  host.writeFile(path, other)
  t.match(failureOf(await run(plan, host)), { code: 'IN_THE_WAY' })
  host.remove(path)
  await run(plan, host)
  host.writeFile(path, other)
  t.equal((await run(plan, host)).outcome, 'changed')
  await run(
    planOf((r) => supervisor_program(r, { name: 'shop', absent: true })),
    host,
  )
  host.writeFile(path, other)
  t.match(failureOf(await run(plan, host)), { code: 'IN_THE_WAY' }, 'after it was given up it is nobody’s')
})

const elsewhere: readonly { name: string; files: Record<string, string>; message: RegExp | null }[] = [
  {
    name: 'a program in a file that sorts later',
    files: { 'conf.d/zzz.conf': '[program:shop]\ncommand=/bin/sleep 3333\n' },
    message: /shop is defined twice: in .*shop\.conf, and as \[program:shop\] in .*zzz\.conf/,
  },
  {
    name: 'a program in a file that sorts earlier, whose options would be merged',
    files: {
      'conf.d/aaa.conf': '# old\n[program: shop ]\nnumprocs=2\nprocess_name=%(program_name)s_%(process_num)02d\n',
    },
    message: /in .*aaa\.conf/,
  },
  {
    name: 'an event listener',
    files: { 'conf.d/l.conf': '[eventlistener:shop]\ncommand=x\n' },
    message: /\[eventlistener:shop\]/,
  },
  { name: 'FastCGI', files: { 'conf.d/f.conf': '[fcgi-program:shop]\ncommand=x\n' }, message: /\[fcgi-program:shop\]/ },
  {
    name: 'a group that contains it',
    files: { 'conf.d/g.conf': '[group:web]\nprograms=other,\n  shop ; both\n' },
    message: /added to a group by \[group:web\] in .*g\.conf/,
  },
  {
    name: 'a group of its name',
    files: { 'conf.d/g.conf': '[group:shop]\nprograms=a,b\n' },
    message: /\[group:shop\]/,
  },
  {
    name: 'the main configuration',
    files: { 'supervisord.conf': '[supervisord]\n[program:shop]\ncommand=x\n[include]\nfiles = conf.d/*.conf\n' },
    message: /supervisord\.conf/,
  },
  {
    name: 'a second included directory',
    files: {
      'supervisord.conf': '[include]\nfiles = %(here)s/conf.d/*.conf\n  ../opt/*/s?pervisor.ini\n',
      '../opt/x/supervisor.ini': '[program:shop]\ncommand=x\n',
    },
    message: /supervisor\.ini/,
  },
  {
    name: 'files that supervisord does not read',
    files: {
      'supervisord.conf': '[include]\nfiles = /etc/supervisor/conf.d/*.conf\n',
      'conf.d/zzz.conf.off': '[program:shop]\ncommand=x\n',
      'conf.d/.zzz.conf': '[program:shop]\ncommand=x\n',
      'old/zzz.conf': '[program:shop]\ncommand=x\n',
    },
    message: null,
  },
  {
    name: 'other programs, and mentions in comments',
    files: {
      'conf.d/zzz.conf':
        '; [program:shop]\n[program:shop2]\ncommand=/bin/shop\n ; [program:shop]\n[group:all]\nprograms=shop2\n',
    },
    message: null,
  },
]
for (const { name, files, message } of elsewhere)
  t.test(`looks for the program in other files: ${name}`, async (t) => {
    const host = hostWith()
    const more = planOf((r) => {
      supervisor_program(r, { name: 'aaa-first', command: 'x' })
      supervisor_program(r, { name: 'shop', command: '/bin/shop' })
    })
    for (const [file, text] of Object.entries(files))
      host.given(`/etc/supervisor/${file}`.replace('/supervisor/..', ''), text)
    const before = host.changes.length
    const dry = await run(more, new VirtualHost({ base: host }), 'plan')
    const real = await run(more, host)
    if (message === null) return t.strictSame([failureOf(dry), failureOf(real)], [undefined, undefined])
    for (const report of [dry, real]) {
      t.match(failureOf(report), { code: 'PROGRAM_TAKEN', message })
      t.equal(report.counts.notReached, 1)
    }
    t.equal(host.changes.length, before, 'nothing was touched')
  })
