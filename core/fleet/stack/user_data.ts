/** Builds the cloud-init user data of a new host: its sshd, and the account of the operator with its keys. */
import { Document, isScalar, Scalar, visit } from 'yaml'

export interface NewHostData {
  /** Name of the stack, for the comment at the top. */
  readonly stack: string
  /** Command to run when the host is up, for the comment at the top. */
  readonly nextCommand: string
  readonly name: string
  /** Account that the operator logs in to. */
  readonly user: string
  readonly port: number
  /** `none`: no sudo; `free`: sudo without a password; `password`: sudo with one. */
  readonly sudo: 'none' | 'free' | 'password'
  /** Lines of authorized_keys(5). */
  readonly authorizedKeys: readonly string[]
  /** Key pair of its sshd; null: sshd creates one at its first boot. */
  readonly hostKey: { readonly private: string; readonly public: string } | null
}

/** Packages that a minimal Debian image may lack: certificates for downloads, and sshd. */
const packages = ['ca-certificates', 'openssh-server']
/** Sorts before files of the image, because sshd uses the first value of a setting. */
const sshdFile = '/etc/ssh/sshd_config.d/10-converge.conf'

/** Decides whether a name is valid as a hostname; the stack file allows other names too. */
export function isHostName(name: string): boolean {
  return name.split('.').every((label) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i.test(label))
}

/** @returns the text, which begins with `#cloud-config` */
export function userData(host: NewHostData): string {
  const { stack, nextCommand: next, name, user, port, sudo, hostKey } = host
  const data = {
    // sudo resolves the name of its host.
    ...(isHostName(name) ? { hostname: name, manage_etc_hosts: 'localhost' } : {}),
    package_update: true,
    packages: [...packages, ...(sudo === 'none' ? [] : ['sudo'])],
    ...(user === 'root' ? { disable_root: false } : {}),
    users: [accountOf(host)],
    ...(hostKey === null
      ? {}
      : {
          // Host keys of the image may be known to others.
          ssh_deletekeys: true,
          ssh_keys: { ed25519_private: hostKey.private, ed25519_public: hostKey.public },
        }),
    // Not by ssh_pwauth: where cloud-init installs sshd, the configuration of sshd would then be only that line.
    write_files: [{ path: sshdFile, permissions: '0644', content: `${sshdLines(port).join('\n')}\n` }],
    runcmd: [['systemctl', 'restart', 'ssh']],
  }
  // cloud-init reads YAML 1.1, where more words than true and false are not text.
  const document = new Document(data, { compat: 'yaml-1.1' })
  visit(document, {
    Scalar(_, node) {
      if (isScalar(node) && typeof node.value === 'string' && node.value.includes('\n'))
        node.type = Scalar.BLOCK_LITERAL
    },
  })
  const comments = [`${name} of the stack ${stack}. When it is up: ${next}`]
  if (hostKey !== null)
    comments.push(
      'It contains the private key of the host: anyone who reads it can impersonate the host. Remove it afterwards.',
    )
  return `#cloud-config\n${comments.map((line) => `# ${line.replace(/[\r\n\u0085\u2028\u2029]/g, ' ')}\n`).join('')}${document.toString({ lineWidth: 0 })}`
}

function sshdLines(port: number): string[] {
  return ['PasswordAuthentication no', ...(port === 22 ? [] : [`Port ${port}`])]
}

function accountOf({ user, sudo, authorizedKeys: authorized }: NewHostData) {
  return {
    name: user,
    ...(user === 'root' ? {} : { shell: '/bin/bash' }),
    // Logins require a key. sudo may require a password, which a locked account does not have.
    lock_passwd: sudo !== 'password',
    ...(sudo === 'none' ? {} : { sudo: `ALL=(ALL:ALL) ${sudo === 'free' ? 'NOPASSWD: ' : ''}ALL` }),
    ssh_authorized_keys: authorized,
  }
}
