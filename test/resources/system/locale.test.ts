/** Tests locale: generated locales, and the default of the system. */
import t from 'tap'
import type { CommandHandler, VirtualHost } from '../../../core/host/virtual.ts'
import { locale } from '../../../resources/system/locale.ts'
import { contract, planOf } from '../../support/contract.ts'

const [list, defaults, generated] = ['/etc/locale.gen', '/etc/default/locale', '/var/generated']

/** `locale-gen` generates what its list names, and `locale -a` lists that. */
const commands: CommandHandler = ([program], _, host) => {
  if (program === 'locale') return { stdout: `C\nC.utf8\nPOSIX\n${host.readText(generated) ?? ''}` }
  if (program !== 'locale-gen') return null
  const names = (host.readText(list) ?? '').split('\n').flatMap((line) => /^\w\S*/.exec(line) ?? [])
  host.given(
    generated,
    names.map((name) => `${name.replace('.UTF-8', '.utf8').replace('ISO-8859-1', 'iso88591')}\n`).join(''),
  )
  return {}
}
const supported = 'de_CH.UTF-8 UTF-8\nde_CH ISO-8859-1\nen_US.UTF-8 UTF-8\nde_DE@euro ISO-8859-15\n'
const given = (files: Readonly<Record<string, string>>) => (host: VirtualHost) => {
  host.given('/usr/share/i18n/SUPPORTED', supported).given('/etc/default', null)
  for (const [path, content] of Object.entries(files)) host.given(path, content)
}
const host = { commands }
const lang = 'de_CH.UTF-8'
const done = { [list]: `${lang} UTF-8\n`, [generated]: 'de_CH.utf8\n', [defaults]: `LANG=${lang}\n` }

contract(t, locale, [
  {
    name: 'generates the default locale, and sets it',
    props: { lang },
    host,
    given: given({
      [list]: '# A list.\n# de_CH ISO-8859-1\n# de_CH.UTF-8 UTF-8\n',
      [defaults]: '# by update-locale\nLANG=C\nLC_TIME=C\n',
    }),
    changes: ['replace /variables/LANG = "de_CH.UTF-8"', 'replace /locales/de_CH.UTF-8 = "present"'],
    then(t, host) {
      t.equal(host.readText(list), '# A list.\n# de_CH ISO-8859-1\nde_CH.UTF-8 UTF-8\n')
      t.equal(host.readText(defaults), '# by update-locale\nLC_TIME=C\nLANG=de_CH.UTF-8\n')
    },
  },
  { name: 'leaves the default locale alone', props: { lang }, host, given: given(done), changes: [] },
  {
    name: 'accepts quotes and another spelling',
    props: { lang: 'de_CH.utf8' },
    host,
    given: given({ ...done, [defaults]: 'export LANG="de_CH.utf8"\n' }),
    changes: [],
  },
  {
    name: 'generates a locale, and leaves the default unchanged',
    props: { generate: ['en_US.UTF-8', 'de_DE@euro'] },
    host,
    given: given(done),
    changes: ['replace /locales/de_DE@euro', 'replace /locales/en_US.UTF-8'],
    then(t, host) {
      t.equal(host.readText(list), `${lang} UTF-8\nen_US.UTF-8 UTF-8\nde_DE@euro ISO-8859-15\n`)
      t.equal(host.readText(defaults), `LANG=${lang}\n`)
    },
  },
  {
    name: 'generates a locale that is only listed',
    props: { lang },
    host,
    given: given({ ...done, [generated]: '' }),
    changes: ['replace /locales'],
  },
  {
    name: 'sets a locale of the C library, which needs no list',
    props: { lang: 'C.UTF-8', variables: { LC_TIME: 'POSIX' } },
    host,
    given: (host) => void host.given(defaults, 'LANG=C\n'),
    changes: ['replace /variables/LC_TIME', 'replace /variables/LANG'],
    then: (t, host) => void t.equal(host.readText(defaults), 'LANG=C.UTF-8\nLC_TIME=POSIX\n'),
  },
  {
    name: 'writes the file that a link leads to',
    props: { lang: 'C.UTF-8' },
    host,
    given: (host) => void host.given('/etc/locale.conf', '').given(defaults, { link: '../locale.conf' }),
    then(t, host) {
      t.equal(host.readText('/etc/locale.conf'), 'LANG=C.UTF-8\n')
      t.equal(host.readLink(defaults), '../locale.conf')
    },
  },
  {
    name: 'fails for an unknown locale',
    props: { lang: 'de_XX.UTF-8' },
    host,
    given: given({}),
    fails: /unknown locale de_XX.*SUPPORTED/,
  },
  {
    name: 'fails if the package of locales is not installed',
    props: { lang },
    host,
    fails: /the package locales is not installed/,
  },
])

t.test('refuses an invalid locale', async (t) => {
  for (const wrong of [
    {},
    { lang: 'a b' },
    { lang: 'x\n' },
    { lang, variables: { LC_ALL: 'C' } },
    { lang, variables: { PATH: 'C' } },
  ])
    t.throws(() => planOf((r) => locale(r, wrong as never)), JSON.stringify(wrong))
})
