/** Defines the properties of git_release. */
import * as z from 'zod'
import { expectedRepository, expectedRevision } from '../../core/model/git_source.ts'
import { absolutePath } from '../../core/model/units.ts'

/** A path inside the release, except the names that git and converge reserve there. */
export const relativePathProp = z
  .string()
  .regex(/^[^/\0\n]+(\/[^/\0\n]+)*$/, { error: "a path inside the release, without '/' at its start or end" })
  .refine((path) => !path.split('/').some((part) => ['.', '..'].includes(part)), {
    error: "a path without '.' and '..'",
  })
  .refine((path) => !['.git', '.converge'].includes(path.split('/')[0] ?? ''), { error: 'not .git or .converge' })

const refinedBy = (expected: (text: string) => string | null) => (text: string, context: z.core.$RefinementCtx) => {
  const message = expected(text)
  if (message !== null) context.addIssue({ code: 'custom', message })
}

export const gitReleaseProps = z.strictObject({
  into: absolutePath.describe('Directory of the releases; it must exist'),
  shared: absolutePath.describe(
    'Directory of the data that releases share through links; contains the mirror, repo.git',
  ),
  current: absolutePath.describe('The link to the current release, only read here: symlink() switches it'),
  repository: z
    .string()
    .superRefine(refinedBy(expectedRepository))
    .describe('URL of the code: https, ssh, user@host:path, file:// or an absolute path; a login in it stays secret'),
  revision: z
    .string()
    .superRefine(refinedBy(expectedRevision))
    .default('HEAD')
    .describe('Branch, tag, full ref name, commit (in full or 7 digits of it and more) or HEAD; default HEAD'),
  commit: z
    .string()
    .regex(/^([0-9a-f]{40}|[0-9a-f]{64})$/i, { error: 'a commit in full: 40 hexadecimal digits' })
    .optional()
    .describe('The full commit to use for `revision`; the repository is then not queried'),
  app: z
    .string()
    .min(1)
    .optional()
    .describe('Name of the app, for commands that list the next releases; not part of its identity'),
  scmType: z
    .enum(['git', 'directory'])
    .default('git')
    .describe('git, or directory: repository is a directory on this host that is copied as it is, for development'),
  user: z.string().min(1).optional().describe('Account that runs git and owns the files; default: that of the run'),
  group: z.string().min(1).optional().describe("Group of the files; default: the account's own"),
  sshKey: z.string().min(1).optional().meta({ sensitive: true }).describe('Private key as text, without passphrase'),
  knownHosts: z
    .string()
    .min(1)
    .optional()
    .describe(
      "Lines as in known_hosts, the only keys that git trusts; default: the account's and the system's own files",
    ),
  username: z
    .string()
    .regex(/^[^\r\n]+$/)
    .optional()
    .describe('Login for https; default: that in the address'),
  password: z
    .string()
    .regex(/^[^\r\n]+$/)
    .optional()
    .meta({ sensitive: true })
    .describe('Password or access token for https; default: that in the address'),
  submodules: z.boolean().default(true).describe('Check out submodules too, at any depth; default true'),
  shallow: z
    .boolean()
    .optional()
    .describe('Accepted, without effect: the history is fetched once into the mirror, and later only new commits'),
  links: z
    .record(relativePathProp, relativePathProp)
    .default({})
    .describe('Links from the release to what is shared: name below shared -> path in the release'),
  purge: z.array(relativePathProp).default([]).describe('Paths of the repository to remove, e.g. to put a link there'),
  inputs: z
    .record(z.string(), z.string())
    .default({})
    .describe(
      'Texts that identify the release beside its commit, such as its configuration: another text makes another release',
    ),
  record: z.json().default(null).describe('Data stored beside the release for reports; not part of its identity'),
  always: z.boolean().default(false).describe('Make a new release in each run, even if nothing changed; default false'),
  pin: z
    .enum(['remote', 'current'])
    .default('remote')
    .describe('Take the commit from the remote, or that of the current release without a query; default remote'),
  reuse: z
    .enum(['newer', 'any'])
    .default('newer')
    .describe(
      'The existing releases to use again: those newer than the current one, or any complete one; default newer',
    ),
  by: z.string().optional().describe('Name of the person or program that makes the release, for later reports'),
  keepGit: z.boolean().default(true).describe('Keep a small .git in the release, for tools that read it; default true'),
})
export type GitReleaseProps = z.output<typeof gitReleaseProps>
