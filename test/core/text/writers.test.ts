/** Tests texts for other languages with their real parsers or models of them: they read back the original text. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import t from 'tap'
import { aptText } from '../../../core/text/apt_conf.ts'
import { buildoutValue, buildoutValueForZope } from '../../../core/text/buildout.ts'
import { cronCommand, cronVariable } from '../../../core/text/cron.ts'
import { haproxyWord } from '../../../core/text/haproxy.ts'
import { logrotatePattern } from '../../../core/text/logrotate.ts'
import { nginxName, nginxText, nginxWord } from '../../../core/text/nginx.ts'
import { isPhpFpmExpression, phpFpmValue, phpFpmVariable } from '../../../core/text/php_fpm.ts'
import { pythonString } from '../../../core/text/python.ts'
import { redisText } from '../../../core/text/redis_conf.ts'
import { commandIn, shellWords } from '../../../core/text/shell.ts'
import { systemdCommand, systemdPath } from '../../../core/text/systemd.ts'
import { varnishWord } from '../../../core/text/varnish_cli.ts'
import { refusalOf, type Writer } from '../../../core/text/writer.ts'
import { anyText, knownTexts } from './generated_texts.ts'

/** Checks that each text is rejected if `refuses` is true for it, or otherwise is read back unchanged. */
function arrives(write: Writer, read: (written: string) => string, refuses: (text: string) => boolean): void {
  const check = (text: string) => {
    if (refusalOf(write, text) === null) assert.equal(read(write(text)), text)
    else assert.ok(refuses(text), JSON.stringify(text))
  }
  for (const text of knownTexts) check(text)
  fc.assert(fc.property(anyText, check))
}

const hasLineBreak = (text: string) => /[\r\n]/.test(text)

t.test('nginx reads what was written', async (t) => {
  const read = (word: string) => {
    if (!word.startsWith('"')) assert.doesNotMatch(word, /[\s;{}'"\\]/)
    return nginxText(word)
  }
  arrives(nginxWord, read, (text) => hasLineBreak(text) || text.includes('$'))
  t.equal(nginxWord('/srv/www/site'), '/srv/www/site')
  t.equal(nginxWord('/srv/my site'), '"/srv/my site"')
  t.equal(nginxName('~^www\\d+\\.example\\.com$'), '~^www\\d+\\.example\\.com$')
  t.equal(nginxName('~^w{1,2}$'), '"~^w{1,2}$"')
})

t.test('Varnish reads its command line as written', async (t) => {
  const read = (word: string) => (word.startsWith('"') ? word.slice(1, -1).replace(/\\(["\\])/g, '$1') : word)
  arrives(varnishWord, read, hasLineBreak)
  t.equal(varnishWord('/etc/varnish/default.vcl'), '/etc/varnish/default.vcl')
})

t.test('HAProxy reads what was written', async (t) => {
  const read = (word: string) =>
    word.replace(/'([^']*)'|\\(.)/g, (_, inside?: string, one?: string) => inside ?? one ?? '')
  arrives(haproxyWord, read, hasLineBreak)
  t.equal(haproxyWord('10.0.0.1:8081'), '10.0.0.1:8081')
})

t.test('php-fpm reads what was written', async (t) => {
  const read = (value: string) =>
    value.replace(/'([^']*)'|"([^"]*)"/g, (_, one?: string, two?: string) => one ?? two ?? '')
  arrives(phpFpmValue, read, (text) => text.includes('\n'))
  t.match(refusalOf(phpFpmVariable, '$HOME')?.message, /a \$ at the start/)
  t.equal(phpFpmVariable(''), '$CONVERGE_EMPTY', 'php-fpm refuses an empty value')
  for (const value of [
    '256M',
    'E_ALL & ~E_NOTICE',
    '(1 | 2) & 4',
    '!x',
    '',
    '"a=b"',
    "'~'",
    'a?b',
    '.:/usr/share/php',
    '((a))',
  ])
    t.ok(isPhpFpmExpression(value), value)
  for (const value of [
    'a=b',
    '~',
    'a(b)',
    '|',
    '1 |',
    '&1',
    '(',
    ')',
    '()',
    'a!b',
    '(a',
    '%(x)s',
    `${'('.repeat(50_000)}a`,
  ])
    t.notOk(isPhpFpmExpression(value), value.slice(0, 20))
  t.equal(phpFpmValue('/run/php/site.sock'), '/run/php/site.sock')
})

t.test('cron reads what was written', async (t) => {
  t.equal(cronCommand('date +%F'), 'date +\\%F')
  arrives(cronCommand, (text) => text.replace(/\\([\\%])/g, '$1'), hasLineBreak)
  arrives(
    cronVariable,
    (text) => text.replace(/^\s+|\s+$/g, '').replace(/^(["'])(.*)\1$/s, '$2'),
    (text) => hasLineBreak(text) || (text.includes('"') && text.includes("'")),
  )
})

t.test('systemd reads what was written', async (t) => {
  const escapes: Record<string, string> = { n: '\n', r: '\r', t: '\t' }
  const read = (line: string) => {
    const [, word = ''] = /^\/bin\/x (.*)$/s.exec(line) ?? []
    assert.doesNotMatch(word, /[\r\n]/)
    return word
      .replace(/^"(.*)"$/s, '$1')
      .replace(/\\(.)/g, (_, sign: string) => escapes[sign] ?? sign)
      .replaceAll('%%', '%')
      .replaceAll('$$', '$')
  }
  arrives(
    (text) => systemdCommand(['/bin/x', text]),
    read,
    () => false,
  )
  t.equal(systemdCommand(['/bin/x', '--json', '/etc/a.json']), '/bin/x --json /etc/a.json')
  t.equal(systemdPath('/var/50%'), '/var/50%%')
  t.throws(() => systemdPath('/var/x\\'))
})

t.test('Python reads what was written', async (t) => {
  const texts = [...knownTexts, ...fc.sample(anyText, 300)]
  const script = `import json, sys\nexec(sys.stdin.read())\nprint(json.dumps(texts))`
  const input = `texts = [${texts.map(pythonString).join(',\n')}]\n`
  t.strictSame(JSON.parse(execFileSync('python3', ['-c', script], { input, encoding: 'utf8' })), texts)
})

t.test('a shell reads what was written', async (t) => {
  const texts = [...knownTexts, ...fc.sample(anyText, 300)]
  const answer = execFileSync('/bin/sh', ['-c', `printf '%s\\0' ${shellWords(texts)}`], { encoding: 'utf8' })
  t.strictSame(answer.split('\0').slice(0, -1), texts)
})

t.test('buildout reads what was written', async (t) => {
  t.equal(buildoutValue('a$b'), 'a$b')
  t.equal(buildoutValue('a$${b}'), 'a$${b}')
  t.equal(buildoutValueForZope('pa$word'), 'pa$$word')
  t.equal(buildoutValueForZope('${x}'), '$${x}')
  t.match(refusalOf(buildoutValue, '${buildout:directory}')?.message, /refers to an option/)
  t.match(refusalOf(buildoutValue, 'x ')?.message, /a blank at either end/)
  t.match(refusalOf(buildoutValue, 'x\ny')?.message, /a line break/)
})

t.test('logrotate and apt read what was written', async (t) => {
  t.equal(logrotatePattern('/srv/www/site/shared/var/log', '*.log'), '/srv/www/site/shared/var/log/*.log')
  t.equal(logrotatePattern('/my site/log', '*.log'), '"/my site/log/*.log"')
  t.equal(logrotatePattern('/a[b]', '*.log'), '"/a\\[b\\]/*.log"')
  t.throws(() => logrotatePattern('/{a,b}', '*.log'))
  t.equal(aptText('a b'), '"a b"')
  t.throws(() => aptText('a"b'))
  t.equal(redisText('a "b" \\ c\u0001'), '"a \\"b\\" \\\\ c\\x01"')
  t.throws(() => redisText('a\nb'))
})

t.test('resolves a relative command in the directory of the release', async (t) => {
  for (const [line, expected] of [
    ['env/bin/gunicorn --bind 127.0.0.1:%{port} blog:app', '/r/env/bin/gunicorn --bind 127.0.0.1:%{port} blog:app'],
    ['./server x', '/r/server x'],
    ['  bin/serve', '/r/bin/serve'],
    ['node server.js', 'node server.js'],
    ['/usr/bin/node x/y', '/usr/bin/node x/y'],
    ['"my bin/serve" a', "'/r/my bin/serve' a"],
    ["'/opt/my bin/serve' a", "'/opt/my bin/serve' a"],
    ['my\\ bin/serve', "'/r/my bin/serve'"],
    ['../tool x', '/r/../tool x'],
    ['', ''],
  ] as const)
    t.equal(commandIn('/r', line), expected)
  t.equal(commandIn('/my site', 'bin/serve x'), "'/my site/bin/serve' x")
})
