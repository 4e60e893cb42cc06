/** Tests authorized_key: adding, changing and removing keys of an account, and keys and options that it refuses. */
import fc from 'fast-check'
import t from 'tap'
import type { VirtualHost } from '../../../core/host/virtual.ts'
import { authorizedKeyValue, parseAuthorizedKey } from '../../../core/text/authorized_keys.ts'
import { authorized_key } from '../../../resources/accounts/authorized_key.ts'
import { contract, planOf } from '../../support/contract.ts'

const [ci, admin, other] = ['AAAAC3ci=', 'AAAAC3admin', 'AAAAB3other=='].map(
  (blob, at) => `ssh-ed25519 ${blob} key${at}`,
) as [string, string, string]
const path = '/home/deploy/.ssh/authorized_keys'
const given =
  (content?: string, mode = '0600') =>
  (host: VirtualHost) => {
    host.given('/etc/passwd', 'root:x:0:0::/root:/bin/sh\ndeploy:x:1000:1000::/home/deploy:/bin/sh\n')
    host.given('/etc/group', 'root:x:0:\ndeploy:x:1000:\n')
    host.given('/home/deploy', null, '0755', 'deploy')
    if (content === undefined) return
    host.given('/home/deploy/.ssh', null, '0700', 'deploy').given(path, content, mode, 'deploy')
  }
const becomes = (content: string | null) => ({
  then: (t: { equal(a: unknown, b: unknown): unknown }, host: VirtualHost) =>
    void t.equal(host.readText(path), content),
})

contract(t, authorized_key, [
  {
    name: 'creates directory and file',
    props: { user: 'deploy', keys: [ci] },
    given: given(),
    changes: ['replace /directory = "0700 deploy"', 'replace /file = "0600 deploy"', 'add /keys/0'],
    ...becomes(`${ci}\n`),
  },
  {
    name: 'adds a key',
    props: { user: 'deploy', keys: [ci] },
    given: given(`# mine\n${admin}\n`),
    ...becomes(`# mine\n${admin}\n${ci}\n`),
  },
  {
    name: 'finds the keys in any order',
    props: { user: 'deploy', keys: [ci, admin] },
    given: given(`${admin}\n${other}\n${ci}\n`),
    changes: [],
  },
  {
    name: 'removes duplicate lines',
    props: { user: 'deploy', keys: [ci] },
    given: given(`${ci}\n${ci}\n`),
    ...becomes(`${ci}\n`),
  },
  {
    name: 'replaces the options of a key at its position',
    props: { user: 'deploy', keys: [ci], options: { restrict: true, command: 'echo "hi"' } },
    given: given(`${ci}\n${admin}\n`),
    ...becomes(`restrict,command="echo \\"hi\\"" ${ci}\n${admin}\n`),
  },
  {
    name: 'removes options',
    props: { user: 'deploy', keys: [ci] },
    given: given(`from="a b",no-pty ${ci}\n`),
    ...becomes(`${ci}\n`),
  },
  {
    name: 'removes all other keys',
    props: { user: 'deploy', keys: [ci], exclusive: true },
    given: given(`# note\n${admin}\nno-pty ${other}\n${ci}\n`),
    changes: ['remove /others/1', 'remove /others/0'],
    ...becomes(`# note\n${ci}\n`),
  },
  {
    name: 'removes a key',
    props: { user: 'deploy', keys: [ci], absent: true },
    given: given(`no-pty ${ci}\n${admin}\n`),
    ...becomes(`${admin}\n`),
  },
  {
    name: 'does nothing if the key to remove is missing',
    props: { user: 'deploy', keys: [ci], absent: true },
    given: given(),
    changes: [],
    ...becomes(null),
  },
  {
    name: 'removes all keys',
    props: { user: 'deploy', keys: [], exclusive: true },
    given: given(`${ci}\n`),
    ...becomes(''),
  },
  {
    name: 'corrects the mode',
    props: { user: 'deploy', keys: [ci] },
    given: given(`${ci}\n`, '0666'),
    changes: ['replace /file = "0600 deploy"'],
  },
  {
    name: 'fails if the account does not exist',
    props: { user: 'deploy', keys: [ci] },
    fails: /there is no account deploy.*user\(r/,
  },
])

t.test('refuses invalid keys, and text that an option cannot contain', async (t) => {
  const keys = [ci]
  const wrong: Parameters<typeof authorized_key>[1][] = [
    { user: 'deploy', keys: ['AAAA'] },
    { user: 'deploy', keys: [`no-pty ${ci}`] },
    { user: 'deploy', keys: [`${ci}\n${admin}`] },
    { user: 'deploy', keys, options: { command: 'a\nb' } },
    { user: 'deploy', keys, options: { command: 'a\\' } },
    { user: 'deploy', keys, options: { 'a b': 'x' } },
  ]
  for (const props of wrong)
    t.throws(() => planOf((r) => authorized_key(r, props)), { code: /^INVALID_(PROP|INPUT)$/ }, JSON.stringify(props))
})

t.test('any value of an option is part of the options', async () => {
  const value = fc.string().filter((text) => !/[\n\r\0]|\\$|\p{Surrogate}/u.test(text))
  fc.assert(
    fc.property(value, (text) => {
      const options = `restrict,command=${authorizedKeyValue(text)}`
      const parsed = parseAuthorizedKey(`${options} ${ci}`)
      return parsed?.options === options && parsed.blob === 'AAAAC3ci='
    }),
  )
})
