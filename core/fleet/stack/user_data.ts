/** cloud-init's user data for a host that joins a stack: the account that the operator comes by, and nothing secret of the stack. */
import { Document, isScalar, Scalar, visit } from 'yaml'

export interface NewHostData {
  /** For the first lines: the stack file's name of the stack, and the command that goes on from there. */
  readonly stack: string
  readonly next: string
  readonly name: string
  readonly user: string
  readonly port: number
  /** `free` without a password, `password` with one, `none` no sudo at all. */
  readonly sudo: 'none' | 'free' | 'password'
  /** Lines of authorized_keys(5). */
  readonly authorized: readonly string[]
  /** Key pair of its sshd; null: it makes one itself at its first boot. */
  readonly hostKey: { readonly private: string; readonly public: string } | null
}

/** Where a Debian image that is as small as can be lacks them: the way in, the way to become root, and certificates to fetch by. */
const packages = ['ca-certificates', 'openssh-server']
/** Before those that an image may bring: the first word of a setting counts. */
const sshdFile = '/etc/ssh/sshd_config.d/10-converge.conf'

/** Whether a machine can have that name; the stack file knows more of them. */
export function isHostName(name: string): boolean {
  return name.split('.').every((label) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i.test(label))
}

/** @returns the text, which begins with `#cloud-config` */
export function userData(host: NewHostData): string {
  const { stack, next, name, user, port, sudo, hostKey } = host
  const data = {
    // sudo looks up the name of its host.
    ...(isHostName(name) ? { hostname: name, manage_etc_hosts: 'localhost' } : {}),
    package_update: true,
    packages: [...packages, ...(sudo === 'none' ? [] : ['sudo'])],
    ...(user === 'root' ? { disable_root: false } : {}),
    users: [accountOf(host)],
    ...(hostKey === null
      ? {}
      : {
          // What the image may have brought is known to others.
          ssh_deletekeys: true,
          ssh_keys: { ed25519_private: hostKey.private, ed25519_public: hostKey.public },
        }),
    // Not by ssh_pwauth: where sshd is installed only then, its configuration would be that one line.
    write_files: [{ path: sshdFile, permissions: '0644', content: `${sshdLines(port).join('\n')}\n` }],
    runcmd: [['systemctl', 'restart', 'ssh']],
  }
  // cloud-init reads YAML 1.1, where more words than true and false are no text.
  const document = new Document(data, { compat: 'yaml-1.1' })
  visit(document, {
    Scalar(_, node) {
      if (isScalar(node) && typeof node.value === 'string' && node.value.includes('\n'))
        node.type = Scalar.BLOCK_LITERAL
    },
  })
  const words = [`${name} of the stack ${stack}. When it is up: ${next}`]
  if (hostKey !== null)
    words.push('It has the private key of the host: whoever reads this can pass for the host. Remove it afterwards.')
  return `#cloud-config\n${words.map((line) => `# ${line.replace(/[\r\n\u0085\u2028\u2029]/g, ' ')}\n`).join('')}${document.toString({ lineWidth: 0 })}`
}

function sshdLines(port: number): string[] {
  return ['PasswordAuthentication no', ...(port === 22 ? [] : [`Port ${port}`])]
}

function accountOf({ user, sudo, authorized }: NewHostData) {
  return {
    name: user,
    ...(user === 'root' ? {} : { shell: '/bin/bash' }),
    // Nobody logs in with a password; sudo may ask for one, and a locked account has none.
    lock_passwd: sudo !== 'password',
    ...(sudo === 'none' ? {} : { sudo: `ALL=(ALL:ALL) ${sudo === 'free' ? 'NOPASSWD: ' : ''}ALL` }),
    ssh_authorized_keys: authorized,
  }
}
