/** Manages a source of apt: its file, the key that signs it, and its package lists. */
import * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { digestOf } from '../../core/model/json.ts'
import { type Context, defineResource } from '../../core/model/resource.ts'
import { absolutePath, minutes } from '../../core/model/units.ts'
import { requireRoot } from '../accounts/account_files.ts'
import { binaryKeyring, keyFingerprints } from './openpgp_key.ts'

const sourcesDirectory = '/etc/apt/sources.list.d'
const keyDirectory = '/etc/apt/keyrings'

const word = (what: string) => z.string().regex(/^[^\s#]+$/, { error: `${what}, without blanks` })

const props = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9][\w-]*$/, { error: 'letters, digits, - and _' })
      .describe('Name of its files: NAME.sources in /etc/apt/sources.list.d, and NAME.gpg in /etc/apt/keyrings'),
    uris: z
      .array(
        word('an address such as https://deb.example.com/debian').regex(/^[a-z][a-z0-9+.-]*:/, { error: 'an address' }),
      )
      .default([])
      .describe('Addresses of the repository; required unless absent'),
    suites: z
      .array(word('a suite such as bookworm'))
      .default([])
      .describe('Suites, such as bookworm; required unless absent'),
    components: z
      .array(word('a component such as main'))
      .default([])
      .describe('Components, such as main; none if the suite is a path that ends in a slash'),
    types: z
      .array(z.enum(['deb', 'deb-src']))
      .min(1)
      .default(['deb'])
      .describe('Kinds of packages: deb (default), deb-src'),
    architectures: z
      .array(word('an architecture such as amd64'))
      .default([])
      .describe('Architectures; default: those of the host'),
    key: z
      .strictObject({
        url: z
          .string()
          .regex(/^https?:\/\/\S+$/, { error: 'an http or https URL' })
          .optional()
          .describe('URL to fetch it from; requires fingerprints'),
        content: z.string().optional().describe('The key as text, which begins with -----BEGIN PGP'),
        fingerprints: z
          .array(
            z.string().regex(/^([0-9A-Fa-f]\s*){40}$|^([0-9A-Fa-f]\s*){64}$/, {
              error: 'a fingerprint of 40 or 64 hexadecimal digits',
            }),
          )
          .min(1)
          .optional()
          .describe('Fingerprints of all its keys: a key with others is refused'),
      })
      .refine(({ url, content }) => (url === undefined) !== (content === undefined), {
        error: 'either url or content is required',
      })
      .refine(({ url, fingerprints }) => url === undefined || fingerprints !== undefined, {
        error: 'a key from a URL requires fingerprints',
        path: ['fingerprints'],
      })
      .optional()
      .describe('The key that signs the repository'),
    signedBy: absolutePath
      .optional()
      .describe('Path of a keyring that is on the host, such as one of a package; instead of key'),
    absent: z.boolean().optional().describe('Remove its files instead; default false'),
  })
  .refine(({ absent, uris, suites }) => absent || (uris.length > 0 && suites.length > 0), {
    error: 'uris and suites are required unless absent is true',
    path: ['uris'],
  })
  .refine(({ absent, key, signedBy }) => absent || (key === undefined) !== (signedBy === undefined), {
    error: 'either key or signedBy is required unless absent is true',
    path: ['key'],
  })
type Props = z.output<typeof props>

const examples: z.input<typeof props>[] = [
  {
    name: 'nodesource',
    uris: ['https://deb.example.com/node_22.x'],
    suites: ['nodistro'],
    components: ['main'],
    key: {
      url: 'https://deb.example.com/key.asc',
      fingerprints: ['0123 4567 89AB CDEF 0123 4567 89AB CDEF 0123 4567'],
    },
  },
  {
    name: 'tools',
    uris: ['https://packages.example.com/debian'],
    suites: ['stable'],
    components: ['main'],
    signedBy: '/usr/share/keyrings/example-archive-keyring.gpg',
  },
]

const state = z.strictObject({
  /** The content of the .sources file; null without it. */
  sources: z.string().nullable(),
  /** Fingerprints of the keyring, and for a declared content its digest; null without a keyring of its own. */
  key: z.string().nullable(),
  /** Digest of what the last successful apt-get update of this repository has used. */
  updated: z.string().nullable(),
})
type State = z.output<typeof state>

const sourcesPath = ({ name }: Props) => `${sourcesDirectory}/${name}.sources`
const keyPath = ({ name }: Props) => `${keyDirectory}/${name}.gpg`

function sourcesText(props: Props, signedBy: string): string {
  const { types, uris, suites, components, architectures } = props
  const fields = { Types: types, URIs: uris, Suites: suites, Components: components, Architectures: architectures }
  const lines = Object.entries({ ...fields, 'Signed-By': [signedBy] }).flatMap(([name, values]) =>
    values.length === 0 ? [] : [`${name}: ${values.join(' ')}\n`],
  )
  return lines.join('')
}

const normalized = (fingerprints: readonly string[]) =>
  fingerprints
    .map((one) => one.replaceAll(/\s/g, '').toUpperCase())
    .sort()
    .join(' ')

/** @throws INVALID_KEY for a text that is no key, or one of others than declared */
function checkedKeyring(props: Props, content: Buffer, from: string): Buffer {
  const keyring = binaryKeyring(content)
  if (keyring === null)
    throw new ConvergeError(`${from} is no OpenPGP key`, {
      code: 'INVALID_KEY',
      hint: 'correct the property key: a key begins with -----BEGIN PGP PUBLIC KEY BLOCK-----, or is binary',
    })
  const found = normalized(keyFingerprints(keyring))
  const { fingerprints } = props.key ?? {}
  if (fingerprints !== undefined && normalized(fingerprints) !== found)
    throw new ConvergeError(`${from} has other keys than declared: ${found}`, {
      code: 'INVALID_KEY',
      hint: 'compare the fingerprints with those that the repository publishes, and correct fingerprints',
    })
  return keyring
}

const declaredContent = (props: Props) =>
  props.key?.content === undefined ? null : checkedKeyring(props, Buffer.from(props.key.content), 'the content of key')

/** Describes a keyring for the comparison: a key from a URL by its fingerprints, a declared one as a whole. */
function describeKeyring({ key }: Props, keyring: Buffer): string {
  const fingerprints = normalized(keyFingerprints(keyring))
  return key?.content === undefined ? fingerprints : `${fingerprints} ${digestOf(keyring.toString('base64'))}`
}

function declaredKey(props: Props): string | null {
  if (props.key === undefined) return null
  const content = declaredContent(props)
  return content === null ? normalized(props.key.fingerprints ?? []) : describeKeyring(props, content)
}

function read(host: HostReader, props: Props, { name }: Context): State {
  const keyring = host.stat(keyPath(props))?.kind === 'file' ? host.readBytes(keyPath(props)) : null
  const isOwn = props.absent === true || props.key !== undefined
  return {
    sources: host.stat(sourcesPath(props))?.kind === 'file' ? host.readText(sourcesPath(props)) : null,
    key: keyring === null || !isOwn ? null : describeKeyring(props, keyring),
    updated: props.absent ? null : host.recorded(name),
  }
}

function desired(props: Props): State {
  if (props.absent) return { sources: null, key: null, updated: null }
  const sources = sourcesText(props, props.signedBy ?? keyPath(props))
  const key = declaredKey(props)
  return { sources, key, updated: digestOf([sources, key]) }
}

async function fetchKeyring(host: Host, props: Props): Promise<Buffer | null> {
  const { url } = props.key ?? {}
  if (url === undefined) return declaredContent(props)
  const path = `${keyDirectory}/.${props.name}.converge-download`
  try {
    await host.download(url, path, { mode: '0600', limit: 16 * 1024 * 1024 })
    return checkedKeyring(props, host.readBytes(path) ?? Buffer.alloc(0), url)
  } finally {
    host.remove(path)
  }
}

/** Fetches the lists of this repository only. A repository that does not work is not installed: it would break apt-get. */
async function updateLists(host: Host, props: Props, keyring: Buffer | null, context: Context): Promise<void> {
  // apt reads no hidden files of this directory.
  const [sources, key] = [`${sourcesDirectory}/.converge-check.sources`, `${keyDirectory}/.converge-check.gpg`]
  try {
    if (keyring !== null) host.writeFile(key, keyring, { mode: '0644' })
    host.writeFile(sources, sourcesText(props, props.signedBy ?? key), { mode: '0644' })
    const options = [`Dir::Etc::SourceList=${sources}`, 'Dir::Etc::SourceParts=-', 'APT::Get::List-Cleanup=0']
    const flags = [...options, 'DPkg::Lock::Timeout=120', 'APT::Update::Error-Mode=any'].flatMap((one) => ['-o', one])
    const { status, stdout, stderr } = await host.run(['apt-get', ...flags, 'update'], {
      accept: 'any',
      timeout: minutes(10),
      onLine: context.progress,
    })
    if (status === 0) return
    throw new ConvergeError(`apt-get cannot read the repository ${props.name}, so it is not installed`, {
      code: 'COMMAND_FAILED',
      output: `${stdout}${stderr}`,
      hint: 'check the network, and correct uris, suites, components or the key, by what the output reports',
    })
  } finally {
    host.remove(sources)
    host.remove(key)
  }
}

function install(host: Host, props: Props, keyring: Buffer | null): void {
  if (keyring !== null) host.writeFile(keyPath(props), keyring, { mode: '0644' })
  host.writeFile(sourcesPath(props), sourcesText(props, props.signedBy ?? keyPath(props)), { mode: '0644' })
}

function makeDirectories(host: Host): void {
  for (const path of ['/etc/apt', sourcesDirectory, keyDirectory])
    if (host.stat(path) === null) host.makeDirectory(path, { mode: '0755' })
}

function removeFiles(host: Host, props: Props): void {
  host.remove(sourcesPath(props))
  host.remove(keyPath(props))
}

export const apt_repository = defineResource(
  {
    type: 'apt_repository',
    doc: 'Keeps a repository of packages in /etc/apt/sources.list.d, with its key in /etc/apt/keyrings, and fetches its package lists. A repository that apt-get cannot read is not installed.',
    mirrors:
      "Chef's apt_repository resource, Ansible's deb822_repository, pyinfra's apt.repo; sources.list(5), apt-get(8)",
    examples,
    reach: 'system',
    key: ({ name }) => name,
    props,
    state,
  },
  {
    read,
    desired,
    async apply(host, props, { now, desired }, context) {
      requireRoot(host, [['apt-get', 'update']])
      if (props.absent) return removeFiles(host, props)
      makeDirectories(host)
      const keyring =
        props.key !== undefined && now.key === desired.key
          ? host.readBytes(keyPath(props))
          : await fetchKeyring(host, props)
      await updateLists(host, props, keyring, context)
      install(host, props, keyring)
      host.record(context.name, desired.updated ?? '')
    },
    predict(host, props, { now, desired }, context) {
      requireRoot(host, [['apt-get', 'update']])
      if (props.absent) return removeFiles(host, props)
      makeDirectories(host)
      install(host, props, declaredContent(props))
      if (props.key?.url !== undefined && now.key !== desired.key) host.unknown(keyPath(props), context.name)
      host.record(context.name, desired.updated ?? '')
    },
    paths: (props) => [sourcesPath(props), keyPath(props)],
  },
)
