/**
 * Builds the scripts of a host for runs outside a rollout: the `converge` command, the scheduler's command, and the
 * script that stores both.
 */
import { shellQuoted, shellWords } from '../../text/shell.ts'
import type { PersistMode } from '../host_client.ts'
import type { PackedDirectory } from './packed_directory.ts'

/** The `converge` command for operators who log in: it runs the engine of the last rollout. */
const convergeCommand = `#!/bin/sh
# Written by converge stack: the engine that this host was given last.
lib=$(dirname "$(readlink -f "$0")")
exec "$lib/node" "$lib/current/start.cjs" "$@"`

/**
 * The command of the host's own scheduler. While a rollout has locked the host, the scheduler waits or does nothing. A
 * host that was shut down stays so until the next setup. A first boot runs no deploy, because it could switch to a
 * commit that was rolled back.
 */
const schedulerCommand = `#!/bin/sh
# Written by converge stack: runs the engine with the roles, attributes and recipes that this host was given last.
lib=$(dirname "$(readlink -f "$0")")
state=\${lib%/usr/local/lib/converge}/var/lib/converge/fleet
held() {
  { read -r pid; read -r _; read -r who; } 2>/dev/null <"$state/held/owner" || return 1
  kill -0 "$pid" 2>/dev/null && [ -z "$(find "$state/held" -maxdepth 0 -mmin +1 2>/dev/null)" ]
}
# The scheduler passes --quiet. It tries again later, and cron would send a mail each time.
scheduled=
for word in "$@"; do case $word in -q | --quiet) scheduled=1 ;; esac; done
leave() {
  if [ -z "$scheduled" ]; then printf 'error: nothing was done: %s\\n  hint: %s\\n' "$1" "$2" >&2; exit 1; fi
  [ -z "\${JOURNAL_STREAM:-}" ] || echo "this host is left alone: $1"
  exit 0
}
if [ "\${1:-}" = apply ] && held; then
  [ -n "$scheduled" ] || echo "waiting for a rollout that has locked this host: $who" >&2
  while held; do sleep 5; done
fi
# The deploy lock of the host takes no attributes.
case "\${1:-}" in lock | unlock) exec "$lib/converge" "$@" --state-dir "\${state%/fleet}" ;; esac
standing=$(cat "$state/standing" 2>/dev/null)
case "\${1:-}" in
  apply | configure)
    [ "$standing" != stopped ] || leave 'it was shut down by converge stack shutdown' 'run converge stack setup to start it again' ;;
esac
case "\${1:-}" in
  configure)
    ! held || leave "a rollout has locked this host: $who" \
      "run it again when the rollout has ended; $0 start starts what is down meanwhile" ;;
  apply)
    [ "$standing" != online ] || { shift; set -- apply --event setup,configure "$@"; } ;;
esac
[ -r "$state/told" ] || { echo "converge stack has not set this host up yet, or you may not read $state" >&2; exit 1; }
. "$state/told"`

/**
 * Stores the command of the host's own scheduler, and removes what no run has used for a month. Each file is replaced
 * in one step. A host belongs to one stack: another one that takes it over is reported as a warning among the events of
 * the run. $stack is the name of the stack, and $warning the text after the name of the other one, both inside a JSON
 * string.
 * $1 the engine's own files, $2 state directory of the fleet, $3 one of PersistMode, $4 the engine, $5 text of the script
 * that the scheduler's command runs
 */
const persistScript = `set -e
umask 022
lib=$1 state=$2 keeps=$3 engine=$4 told=$5
put() {
  [ "$(cat "$1" 2>/dev/null)" != "$2" ] || return 0
  printf '%s\\n' "$2" >"$1.$$"
  chmod "$3" "$1.$$"
  mv -T "$1.$$" "$1"
}
put "$lib/converge" '${shellQuoted(convergeCommand)}' 755
put "$lib/this-host" '${shellQuoted(schedulerCommand)}' 755
# Operators who log in find the command, unless there is another one. The directory may be read-only.
bin=\${lib%/lib/converge}/bin
[ -e "$bin/converge" ] || [ -L "$bin/converge" ] || { mkdir -p "$bin" && ln -s "$lib/converge" "$bin/converge"; } 2>/dev/null || true
umask 077
case "$keeps" in online | stopped) put "$state/standing" "$keeps" 600 ;; esac
[ "$keeps" != stopped ] || exit 0
if [ "$keeps" = first ] && [ -e "$state/told" ]; then exit 0; fi
before=$(cat "$state/stack" 2>/dev/null || true)
[ -z "$before" ] || [ "$before" = "$stack" ] || printf '%s\\n' "{\\"event\\":\\"warning\\",\\"message\\":\\"this host belonged to stack $before$warning\\"}"
put "$state/stack" "$stack" 600
put "$state/told" "$told" 600
ln -sfn "$engine" "$lib/.current.$$"
mv -T "$lib/.current.$$" "$lib/current"
node=$(readlink "$lib/node")
case "$node" in "$lib"/*) touch -c "$(dirname "$node")" ;; esac
find "$lib" "$state/inputs" -mindepth 1 -maxdepth 1 -type d -mtime +30 -exec rm -rf {} +`

export interface PersistedRun {
  readonly mode: PersistMode
  /** Name of the stack. */
  readonly stack: string
  readonly engine: PackedDirectory
  /** Items that the command needs; each run marks them as used. */
  readonly required: readonly PackedDirectory[]
  /** Node and the engine. */
  readonly program: readonly string[]
  /** Roles, attributes, recipes. */
  readonly inputs: readonly string[]
}

/**
 * @returns the arguments of the start script that make the host store a run; empty ones for null, where it stores
 * nothing
 */
export function persistArguments(persistedRun: PersistedRun | null): string[] {
  if (persistedRun === null) return ['', '', '', '']
  const { mode, stack, engine, required, program, inputs } = persistedRun
  const touch = `touch -c ${shellWords(required.map(({ directory }) => directory))}`
  const script = `${touch}\nexec ${shellWords(program)} "$@" ${shellWords(inputs)}`
  const words = { stack: jsonText(stack), warning: jsonText(takeoverWarning(stack)) }
  const variables = Object.entries(words).map(([name, text]) => `${name}='${shellQuoted(text)}'\n`)
  return [`${variables.join('')}${persistScript}`, mode, engine.directory, script]
}

/** Returns a text as it is inside a JSON string. */
const jsonText = (text: string) => JSON.stringify(text).slice(1, -1)

const takeoverWarning = (stack: string) =>
  `: its timers, this-host and stack doctor know only the roles and attributes of stack ${stack} from now on; if both use it, describe both in one stack file`

/**
 * Returns the command for the host's own scheduler.
 * @param library the engine's own files
 */
export function schedulerProgram(library: string): string {
  return `${library}/this-host`
}
