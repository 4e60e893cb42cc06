/** Manages the public keys that may log in to an account through ssh. */
import * as z from 'zod'
import type { Account, Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { digestOf } from '../../core/model/json.ts'
import { defineResource } from '../../core/model/resource.ts'
import { authorizedKeyValue, parseAuthorizedKey } from '../../core/text/authorized_keys.ts'
import { refusalOf } from '../../core/text/writer.ts'
import { oneLine, readLines } from '../files/text_lines.ts'
import { accountName } from './account_files.ts'

const publicKey = oneLine.refine((line) => parseAuthorizedKey(line)?.options === '', {
  error: 'a public key on one line, such as "ssh-ed25519 AAAA... name", without options',
})

const optionValue = z.union([
  z.literal(true),
  z.string().superRefine((value, issues) => {
    const refusal = refusalOf(authorizedKeyValue, value)
    if (refusal !== null) issues.addIssue({ code: 'custom', message: refusal.message })
  }),
])

const props = z.strictObject({
  user: accountName.describe('The account to log in to; it must exist'),
  keys: z.array(publicKey).describe('Public keys, each on one line as in a .pub file'),
  options: z
    .record(z.string().regex(/^[A-Za-z][A-Za-z-]*$/, { error: 'the name of an option, such as restrict' }), optionValue)
    .optional()
    .describe('Options of all these keys, as in sshd(8): true for one without a value; default: none'),
  exclusive: z.boolean().optional().describe('Remove all other keys of the account; default false'),
  absent: z.boolean().optional().describe('Remove these keys instead; default false'),
})
type Props = z.output<typeof props>

/** Their shapes differ, so that the compiler infers no type from them. */
const examples: z.input<typeof props>[] = [
  {
    user: 'deploy',
    keys: ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGy3 ci'],
    options: { restrict: true, command: '/usr/bin/deploy' },
  },
  { user: 'root', keys: ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGy3 admin'], exclusive: true },
]

const state = z.strictObject({
  /** The lines of the declared keys, in the order of the file. */
  keys: z.array(z.string()),
  /** Keys that are not declared; null unless they are removed. */
  others: z.array(z.string()).nullable(),
  /** Mode and owner of the file; null without it. */
  file: z.string().nullable(),
  directory: z.string().nullable(),
})
type State = z.output<typeof state>

function optionsText({ options = {} }: Props): string {
  return Object.entries(options)
    .map(([name, value]) => (value === true ? name : `${name}=${authorizedKeyValue(value)}`))
    .join(',')
}

const blobOf = (line: string) => parseAuthorizedKey(line)?.blob ?? ''

/** Returns the lines of the declared keys, one for each key. */
function declaredLines(props: Props): string[] {
  const options = optionsText(props)
  const lines = new Map(props.keys.map((key) => [blobOf(key), `${options === '' ? '' : `${options} `}${key.trim()}`]))
  return [...lines.values()]
}

function changedLines(lines: readonly string[], props: Props): string[] {
  const target = new Map(props.absent ? [] : declaredLines(props).map((line) => [blobOf(line), line]))
  const declared = new Set(props.keys.map(blobOf))
  const others = lines.flatMap((line) => {
    const blob = blobOf(line)
    if (blob === '') return [line]
    if (!declared.has(blob)) return props.exclusive ? [] : [line]
    const replacement = target.get(blob)
    target.delete(blob)
    return replacement === undefined ? [] : [replacement]
  })
  return [...others, ...target.values()]
}

function requireAccount(host: HostReader, user: string): Account {
  const account = host.account(user)
  if (account !== null) return account
  throw new ConvergeError(`there is no account ${user}`, {
    code: 'NO_ACCOUNT',
    hint: `declare it before this: user(r, { name: '${user}' })`,
  })
}

function ownershipOf(host: HostReader, path: string): string | null {
  const stat = host.lstat(path)
  if (stat === null) return null
  return `${stat.mode} ${host.accountById(stat.uid)?.name ?? stat.uid}`
}

const placesOf = (account: Account) => ({
  directory: `${account.home}/.ssh`,
  file: `${account.home}/.ssh/authorized_keys`,
})

function write(host: Host, props: Props): void {
  const account = requireAccount(host, props.user)
  const { directory, file } = placesOf(account)
  const group = host.groupById(account.gid)?.name
  const owner = { owner: account.name, group }
  const { exists, lines } = readLines(host, file)
  if (!exists && props.absent && !props.exclusive) return
  const isPrivate = (path: string, mode: string) => ownershipOf(host, path) === `${mode} ${account.name}`
  if (host.lstat(directory) === null) host.makeDirectory(directory, { ...owner, mode: '0700' })
  else if (!isPrivate(directory, '0700')) {
    host.setOwner(directory, owner.owner, owner.group)
    host.setMode(directory, '0700')
  }
  const text = changedLines(lines, props)
    .map((line) => `${line}\n`)
    .join('')
  if (!exists || text !== lines.map((line) => `${line}\n`).join('') || !isPrivate(file, '0600'))
    host.writeFile(file, text, { ...owner, mode: '0600' })
}

export const authorized_key = defineResource(
  {
    type: 'authorized_key',
    doc: 'Keeps public keys in ~/.ssh/authorized_keys of an account, with mode 0600 and the owner that sshd requires; or removes them.',
    mirrors: "Ansible's authorized_key; sshd(8)",
    examples,
    reach: 'system',
    key: ({ user, keys, exclusive }) =>
      exclusive
        ? user
        : `${user} ${keys.map((key) => parseAuthorizedKey(key)?.comment || digestOf(blobOf(key)).slice(0, 8)).join(' ')}`,
    props,
    state,
  },
  {
    read(host, props): State {
      const account = host.account(props.user)
      if (account === null) return { keys: [], others: props.exclusive ? [] : null, file: null, directory: null }
      const { directory, file } = placesOf(account)
      const lines = readLines(host, file).lines.filter((line) => blobOf(line) !== '')
      const declared = new Set(props.keys.map(blobOf))
      return {
        keys: lines.filter((line) => declared.has(blobOf(line))),
        others: props.exclusive ? lines.filter((line) => !declared.has(blobOf(line))) : null,
        file: ownershipOf(host, file),
        directory: ownershipOf(host, directory),
      }
    },
    desired(props, now): State {
      const others = props.exclusive ? [] : null
      if (props.absent && now.file === null) return now
      const ownership = { file: `0600 ${props.user}`, directory: `0700 ${props.user}` }
      if (props.absent) return { keys: [], others, ...ownership }
      const target = declaredLines(props)
      // The order does not matter: existing keys keep their positions.
      const first = now.keys.map(blobOf).filter((blob, index, all) => all.indexOf(blob) === index)
      const rank = (line: string) => (first.includes(blobOf(line)) ? first.indexOf(blobOf(line)) : first.length)
      return { keys: [...target].sort((a, b) => rank(a) - rank(b)), others, ...ownership }
    },
    apply: write,
    predict: write,
    words: (_, { now, desired }) => {
      const added = desired.keys.filter((line) => !now.keys.includes(line)).length
      const removed = now.keys.filter((line) => !desired.keys.includes(line)).length + (now.others?.length ?? 0)
      return (
        [added > 0 ? `${added} added` : '', removed > 0 ? `${removed} removed` : ''].filter(Boolean).join(', ') ||
        'mode or owner'
      )
    },
  },
)
