/** Configures Varnish as a service of the system: the package's command with our address, size and configuration. */
import { commandWords } from '../../core/text/unit_file.ts'
import type { SiteNode } from '../node.ts'
import { bindAddresses, cacheAt } from './addresses.ts'
import { frontendLayout } from './layout.ts'

/** Our drop-in for the package's unit. */
export const varnishDropIn = { unit: 'varnish.service', name: 'converge.conf' } as const

export const varnishInitScript = '/etc/init.d/varnish'

const header = '# Written by converge, changes are overwritten.'

/**
 * @param packaged the command of the package's unit
 * @returns the text of the drop-in
 */
export function varnishUnit(node: SiteNode, packaged: string): string {
  return `${header}
[Service]
ExecStart=
ExecStart=${adapted(packaged, ownOptions(node)).join(' ')}
`
}

/** Renders the defaults of an init script, which starts a daemon with the default jail. */
export function varnishDefaults(node: SiteNode, packaged: string): string {
  const [, ...options] = adapted(packaged, new Map([...ownOptions(node), ['-F', []], ['-j', []]]))
  return `${header}
START=yes
NFILES=131072
MEMLOCK=82000
DAEMON_OPTS="${options.join(' ')}"
`
}

/** The values of each option; no values remove the option. */
type Options = ReadonlyMap<string, readonly string[]>

function ownOptions(node: SiteNode): Options {
  return new Map([
    ['-a', bindAddresses(cacheAt(node))],
    ['-f', [frontendLayout(node).varnish.config]],
    ['-s', [`malloc,${node.converge.frontend.cache_size}`]],
    // The configuration names the backend, and varnishadm finds only a Varnish without a name.
    ['-b', []],
    ['-n', []],
  ])
}

/** The options of varnishd without a value. */
const flags = new Set(['-C', '-d', '-F', '-V', '-?'])

/** Sets options in the words of a command: in place of the first of each kind, or at the end. */
function adapted(command: string, options: Options): string[] {
  const words = commandWords(command)
  const result: string[] = []
  const written = new Set<string>()
  const write = (option: string) => {
    if (!written.has(option)) for (const value of options.get(option) ?? []) result.push(option, value)
    written.add(option)
  }
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? ''
    const option = /^-./.test(word) ? word.slice(0, 2) : ''
    const separate = word.length === 2 && option !== '' && !flags.has(option)
    const value = separate ? words[++at] : word.slice(2)
    if (options.has(option) && !isTransient(option, value)) write(option)
    else result.push(word, ...(separate && value !== undefined ? [value] : []))
  }
  for (const option of options.keys()) write(option)
  return result
}

/** Decides whether a storage is Varnish's Transient, for objects that it does not cache. */
function isTransient(option: string, value: string | undefined): boolean {
  return option === '-s' && value?.startsWith('Transient=') === true
}

/** Decides whether converge has written an init script: Debian's package of Varnish 7.7 has none. */
export function isOwnInitScript(text: string): boolean {
  return text.split('\n', 2)[1] === header
}

export const initScript = `#!/bin/sh
${header}
### BEGIN INIT INFO
# Provides:          varnish
# Required-Start:    $local_fs $remote_fs $network
# Required-Stop:     $local_fs $remote_fs $network
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: HTTP accelerator
### END INIT INFO
PATH=/usr/sbin:/usr/bin:/sbin:/bin
program=/usr/sbin/varnishd
pidfile=/run/varnishd.pid
[ -x "$program" ] || exit 0
. /etc/default/varnish

start() {
  ulimit -n "$NFILES" 2> /dev/null || true
  ulimit -l "$MEMLOCK" 2> /dev/null || true
  start-stop-daemon --start --quiet --oknodo --pidfile "$pidfile" --exec "$program" -- -P "$pidfile" $DAEMON_OPTS > /dev/null
}
stop() {
  start-stop-daemon --stop --quiet --oknodo --retry TERM/30/KILL/5 --pidfile "$pidfile" --exec "$program"
}
case "$1" in
  start) start ;;
  stop) stop ;;
  restart | force-reload) stop && start ;;
  reload) /usr/share/varnish/varnishreload ;;
  status) start-stop-daemon --status --pidfile "$pidfile" --exec "$program" ;;
  *)
    echo "usage: $0 start|stop|restart|reload|force-reload|status" >&2
    exit 2
    ;;
esac
`
