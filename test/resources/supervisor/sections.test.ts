/** Tests which program files supervisord can read. */
import t from 'tap'
import { isReadable } from '../../../resources/supervisor/sections.ts'

t.test('parses a program file as supervisord does', async (t) => {
  const program = (more = '') => `[program:a]\ncommand=/bin/a\n${more}`
  const environment = (value: string) => program(`environment=${value}\n`)
  const readable = [
    '',
    '; a comment\n',
    program('stopsignal=TERM\n'),
    environment(''),
    environment('A="1",B="2"'),
    environment('A="1",'),
    environment('A=1,B=/x/y-z'),
    environment(`A="it's",B='"say"x'`),
    environment('A="",B="a = b, c"'),
    environment('A="one\n %(here).0stwo",B="50%% %(here).0s; x"'),
  ]
  for (const text of readable) t.ok(isReadable(text), text)
  const broken = [
    'garbage\n',
    '[program:a]\n',
    program().trimEnd(),
    program('stopsignal=TE'),
    program('garbage\n'),
    environment('A'),
    environment('A='),
    environment('A="1",USE'),
    environment('A="1",B="2'),
    environment("A='1"),
    environment('A="1" B="2"'),
  ]
  for (const text of broken) t.notOk(isReadable(text), text)
})
