/** Reads the settings file of the console: login by OpenID Connect, local accounts, mail and notices. */
import { readFileSync } from 'node:fs'
import { BlockList } from 'node:net'
import { dirname, resolve } from 'node:path'
import { parse } from 'yaml'
import * as z from 'zod'
import { ConvergeError } from '../model/errors.ts'

const line = z
  .string()
  .min(1)
  .max(500)
  .regex(/^\P{Cc}+$/u, 'expected one line')
const level = z.enum(['show', 'deploy', 'manage'])

const issuer = z.url().refine((text) => {
  const { protocol, hostname } = new URL(text)
  return protocol === 'https:' || (protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(hostname))
}, 'expected an address with https, such as https://id.example.com; http only of this computer')

/** Exactly one of the two. */
const secretSource = { file: line.optional(), environment: line.optional() }
const secretOf = z
  .strictObject(secretSource)
  .refine(
    ({ file, environment }) => (file === undefined) !== (environment === undefined),
    'expected either "file" or "environment"',
  )

const oidcSchema = z.strictObject({
  issuer,
  client_id: line,
  client_secret: secretOf,
  /** Text of the button. */
  label: line.max(60).default('OpenID Connect'),
  account_claim: line.default('preferred_username'),
  groups_claim: line.default('groups'),
  scopes: z.array(line).default(['openid', 'profile', 'email']),
  /** Groups whose members are administrators. */
  administrators: z.array(line).default([]),
  /** Levels by group and stack. */
  levels: z.record(line, z.record(line, level)).default({}),
})

const mailSchema = z.strictObject({
  host: line,
  port: z.number().int().min(1).max(65535).optional(),
  /** `starttls` refuses to send without it. */
  tls: z.enum(['starttls', 'tls', 'none']).default('starttls'),
  user: line.optional(),
  password: secretOf.optional(),
  from: line,
})

const network = z.string().refine((text) => addToList(new BlockList(), text), 'expected an address or a network')

const settingsSchema = z.strictObject({
  /** Whether accounts with passwords may log in. */
  local_accounts: z.boolean().default(true),
  oidc: oidcSchema.optional(),
  mail: mailSchema.optional(),
  notices: z
    .strictObject({
      /** Addresses that notices may reach although they belong to the console itself or to its network link. */
      permitted_addresses: z.array(network).default([]),
    })
    .prefault({}),
})

export type OidcSettings = Omit<z.output<typeof oidcSchema>, 'client_secret'> & { readonly clientSecret: string }
export type MailSettings = Omit<z.output<typeof mailSchema>, 'password'> & { readonly password: string | null }

export interface ConsoleSettings {
  readonly localAccounts: boolean
  readonly oidc: OidcSettings | null
  readonly mail: MailSettings | null
  readonly permittedAddresses: BlockList
}

export function defaultSettings(): ConsoleSettings {
  return { localAccounts: true, oidc: null, mail: null, permittedAddresses: new BlockList() }
}

/**
 * Reads a settings file, and the secrets that it names.
 * @param path absolute; paths in the file are relative to its directory
 * @throws CONSOLE_SETTINGS with what is wrong in the file
 */
export function readSettings(path: string, environment: NodeJS.ProcessEnv): ConsoleSettings {
  const wrong = (reason: string, hint: string) =>
    new ConvergeError(`${path}: ${reason}`, { code: 'CONSOLE_SETTINGS', hint, usage: true })
  const content = (() => {
    try {
      return parse(readFileSync(path, 'utf8')) ?? {}
    } catch (cause) {
      throw wrong((cause as Error).message, 'name a readable file in YAML or JSON with --settings')
    }
  })()
  const { data, error } = settingsSchema.safeParse(content)
  if (data === undefined) {
    const problems = error.issues.map((one) => `${one.path.join('.') || 'the file'}: ${one.message}`)
    throw wrong(problems.join('; '), 'correct these keys; docs/console.md lists all')
  }
  const { oidc, mail, notices } = data
  if (!data.local_accounts && oidc === undefined)
    throw wrong('local_accounts is false, and there is no other login', 'add the key oidc, or remove local_accounts')
  const secret = (source: z.output<typeof secretOf>, key: string) => {
    const missing = (reason: string) =>
      wrong(`${key}: ${reason}`, 'store the secret in a file or a variable that the account of the console can read')
    let value: string | undefined
    if (source.environment !== undefined) value = environment[source.environment]
    else
      try {
        value = readFileSync(resolve(dirname(path), source.file ?? ''), 'utf8')
      } catch (cause) {
        throw missing((cause as Error).message)
      }
    const text = value?.trim() ?? ''
    if (text === '') throw missing(`${source.environment ?? source.file} is empty`)
    return text
  }
  const permittedAddresses = new BlockList()
  for (const one of notices.permitted_addresses) addToList(permittedAddresses, one)
  return {
    localAccounts: data.local_accounts,
    oidc: oidc ? withSecret(oidc, secret(oidc.client_secret, 'oidc.client_secret')) : null,
    mail: mail
      ? { ...mail, password: mail.password === undefined ? null : secret(mail.password, 'mail.password') }
      : null,
    permittedAddresses,
  }
}

function withSecret({ client_secret: _, ...rest }: z.output<typeof oidcSchema>, clientSecret: string): OidcSettings {
  return { ...rest, clientSecret }
}

/** @param text an address such as `10.0.0.5`, or a network such as `10.0.0.0/8` @returns whether it is one */
function addToList(list: BlockList, text: string): boolean {
  const [, address = '', bits] = /^([0-9a-f.:]+)(?:\/(\d{1,3}))?$/i.exec(text) ?? []
  const family = address.includes(':') ? 'ipv6' : 'ipv4'
  try {
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
    return true
  } catch {
    return false
  }
}
