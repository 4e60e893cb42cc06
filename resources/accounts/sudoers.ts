/** Manages one file in /etc/sudoers.d, which visudo checks before it has an effect. */
import * as z from 'zod'
import { ConvergeError } from '../../core/model/errors.ts'
import { defineResource } from '../../core/model/resource.ts'
import { sudoersCommand } from '../../core/text/sudoers.ts'
import { refusalOf } from '../../core/text/writer.ts'
import { applyFileState, desiredFileState, type FileState, fileState, readFileState } from '../files/file.ts'
import { verifyContent } from '../files/verify.ts'

const directory = '/etc/sudoers.d'
const ownership = { mode: '0440', owner: 'root', group: 'root' }
const verify = { command: ['visudo', '-cf', '%{path}'] }

const accountOrGroup = z
  .string()
  .regex(/^%?[A-Za-z0-9_][\w.-]*\$?$/, { error: 'the name of an account, or of a group after %' })

const command = z
  .string()
  .regex(/^(ALL$|!?\/)/, { error: 'ALL, or a command with its whole path' })
  .superRefine((text, issues) => {
    const refusal = refusalOf(sudoersCommand, text)
    if (refusal !== null) issues.addIssue({ code: 'custom', message: refusal.message })
  })

const props = z
  .strictObject({
    name: z
      .string()
      .max(200)
      .regex(/^[\w-][\w+@-]*$/, { error: 'a file name without dots and ~: sudo ignores others' })
      .describe('Name of the file in /etc/sudoers.d'),
    users: z
      .array(accountOrGroup)
      .min(1)
      .optional()
      .describe('Accounts, and groups as %name; required without content'),
    commands: z
      .array(command)
      .min(1)
      .default(['ALL'])
      .describe('Commands with whole path and arguments, in which * is a wildcard; default ALL'),
    runAs: z
      .array(accountOrGroup)
      .min(1)
      .default(['root'])
      .describe('Accounts that the commands may run as; default root'),
    noPassword: z.boolean().optional().describe('Ask for no password; default false'),
    content: z
      .string()
      .optional()
      .describe('The whole content instead, for rules that the other properties cannot express'),
    absent: z.boolean().optional().describe('Remove the file instead; default false'),
  })
  .refine(({ absent, users, content }) => absent === true || (users === undefined) !== (content === undefined), {
    error: 'either users or content is required unless absent is true',
    path: ['users'],
  })
type Props = z.output<typeof props>

const pathOf = ({ name }: Props) => `${directory}/${name}`
const target = (props: Props) => ({ path: pathOf(props), ...ownership })

function contentOf({ users = [], commands, runAs, noPassword, content }: Props): string {
  if (content !== undefined) return content.endsWith('\n') ? content : `${content}\n`
  const what = commands.map((command) => sudoersCommand(command)).join(', ')
  return `${users.join(', ')} ALL=(${runAs.join(', ')}) ${noPassword ? 'NOPASSWD: ' : ''}${what}\n`
}

export const sudoers = defineResource(
  {
    type: 'sudoers',
    doc: 'Keeps a file in /etc/sudoers.d with mode 0440, checked by visudo before it has an effect; or removes it.',
    mirrors: "Chef's sudo resource; sudoers(5), visudo(8)",
    examples: [
      { name: 'deploy', users: ['deploy'], commands: ['/usr/bin/systemctl restart shop'], noPassword: true },
      { name: 'admins', users: ['%admins'] },
      { name: 'env', content: 'Defaults env_keep += "LANG"\n' },
    ],
    reach: 'system',
    key: ({ name }) => name,
    props,
    state: fileState,
  },
  {
    read: (host, props) => readFileState(host, target(props)),
    desired(props, now): FileState {
      if (!props.absent) return desiredFileState(target(props), contentOf(props), now)
      if (now.kind === 'directory') desiredFileState(target(props), '', now)
      return { kind: 'absent', content: null, mode: null, owner: null, group: null }
    },
    async apply(host, props, { now }, context) {
      const path = pathOf(props)
      if (props.absent) return host.remove(path)
      if (host.which('visudo') === null)
        throw new ConvergeError('sudo is not installed: there is no program visudo to check its rules', {
          code: 'NO_PROGRAM',
          hint: "declare it before this: packages(r, { names: ['sudo'] })",
        })
      const content = contentOf(props)
      if (now.content !== content) await verifyContent(host, { path, verify }, content, context)
      applyFileState(host, target(props), content, now)
    },
    predict(host, props, { now }) {
      if (props.absent) host.remove(pathOf(props))
      else applyFileState(host, target(props), contentOf(props), now)
    },
    paths: (props) => [pathOf(props)],
    files: (props) => (props.absent ? [] : [{ ...target(props), content: contentOf(props) }]),
  },
)
