/** Tests the reader of unit files of systemd. */
import t from 'tap'
import { commandWords, unitValues } from '../../../core/text/unit_file.ts'

const commands = (...texts: string[]) => unitValues(texts, 'Service', 'ExecStart')

t.test('reads the values of an option', (t) => {
  t.strictSame(commands('[Unit]\nExecStart=/no\n[Service]\nType=exec\nExecStart=/a b\n'), ['/a b'])
  t.strictSame(commands('[Service]\nExecStart = /a \\\n  -F \\\n  # a comment\n  -b c\nType=exec\n'), ['/a -F -b c'])
  t.strictSame(commands('[Service]\n#ExecStart=/a\n;ExecStart=/b\nExecStart=/c=d\n'), ['/c=d'])
  t.strictSame(commands('[Service]\nExecStart=/a\nExecStart=/b\n'), ['/a', '/b'])
  t.strictSame(commands('[Service]\nExecStart=/a \\'), ['/a'], 'the file ends within a line')
  t.strictSame(commands(''), [])
  t.end()
})

t.test('a drop-in extends a list, and an empty value clears it', (t) => {
  const unit = '[Service]\nExecStart=/a\n'
  t.strictSame(commands(unit, '[Service]\nExecStart=\nExecStart=/b\n'), ['/b'])
  t.strictSame(commands(unit, '[Service]\nNice=5\n'), ['/a'])
  t.strictSame(commands(unit, '[Service]\nExecStart=\n'), [])
  t.end()
})

t.test('splits a command into words', (t) => {
  const cases: [line: string, words: string[]][] = [
    ['/usr/sbin/x -a  :80\t-F', ['/usr/sbin/x', '-a', ':80', '-F']],
    [`-x "a b" --y='c "d' e\\ f $G`, ['-x', '"a b"', `--y='c "d'`, 'e\\ f', '$G']],
    ['"open', ['"open']],
    ['', []],
  ]
  for (const [line, words] of cases) t.strictSame(commandWords(line), words, line)
  t.end()
})
