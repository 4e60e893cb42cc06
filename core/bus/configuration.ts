/** Renders the configuration of nats-server: TLS, limits, and one user with its permissions for each host. */
import { commandStream, hostToken, inboxPrefix, subjectsOf } from './subjects.ts'

export interface BusConfiguration {
  readonly stack: string
  /** Name of the server, which must stay the same: JetStream stores it. */
  readonly name: string
  readonly listen: { readonly host: string; readonly port: number }
  /** Directory of the streams. */
  readonly store: string
  readonly certificate: string
  readonly certificateKey: string
  readonly pidFile: string
  /** Public NKEY of the control plane. */
  readonly control: string
  /** Public NKEYs by host. */
  readonly hosts: Readonly<Record<string, string>>
  /** Bytes that the streams may take. */
  readonly maxStore: number
}

/** Writes a text as a string of the configuration language of nats-server. */
export function natsString(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n').replace(/\r/g, '\\r').replace(/\t/g, '\\t')}"`
}

const natsList = (texts: readonly string[]) => `[${texts.map(natsString).join(', ')}]`

/** Returns what a host may publish and subscribe to: its own commands, answers, beats, and nothing else. */
export function hostPermissions(stack: string, host: string): { publish: string[]; subscribe: string[] } {
  const subjects = subjectsOf(stack)
  const consumer = `${commandStream}.${hostToken(host)}`
  return {
    publish: [
      `$JS.API.CONSUMER.INFO.${consumer}`,
      `$JS.API.CONSUMER.MSG.NEXT.${consumer}`,
      `$JS.ACK.${consumer}.>`,
      subjects.answersOf(host),
      subjects.beat(host),
    ],
    subscribe: [`${inboxPrefix(host)}.>`, subjects.wake(host)],
  }
}

/** Renders nats.conf. */
export function renderConfiguration(configuration: BusConfiguration): string {
  const { stack, name, listen, store, certificate, certificateKey, pidFile, control, hosts, maxStore } = configuration
  const users = Object.entries(hosts).map(([host, key]) => {
    const { publish, subscribe } = hostPermissions(stack, host)
    return `    { nkey: ${key}, permissions: { publish: ${natsList(publish)}, subscribe: ${natsList(subscribe)} } }\n`
  })
  return `# Written by converge, changes are overwritten.
server_name: ${natsString(name)}
listen: ${natsString(`${listen.host.includes(':') ? `[${listen.host}]` : listen.host}:${listen.port}`)}
pid_file: ${natsString(pidFile)}
max_payload: 1MB
max_pending: 64MB
ping_interval: "10s"
ping_max: 3
tls {
  cert_file: ${natsString(certificate)}
  key_file: ${natsString(certificateKey)}
  timeout: 10
}
jetstream {
  store_dir: ${natsString(store)}
  max_memory_store: 64MB
  max_file_store: ${maxStore}
  # Without it, a power cut loses messages that the server has acknowledged.
  sync_interval: always
}
authorization {
  timeout: 10
  users: [
    { nkey: ${control} }
${users.join('')}  ]
}
`
}
