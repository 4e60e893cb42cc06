/**
 * Holds the shell scripts for hosts. They run in any POSIX shell with coreutils, tar, gzip and util-linux, which every
 * Debian has. A script whose output is parsed first prints an empty line: the account's shell may have printed text
 * without a line end.
 */

/**
 * Prints the facts of a host without a change to it: one `key=value` a line.
 * $1 the engine's own files, $2 its state directory
 */
export const probeScript = `
echo "kernel=$(uname -s)"
echo "machine=$(uname -m)"
[ -e /lib/ld-musl-x86_64.so.1 ] || [ -e /lib/ld-musl-aarch64.so.1 ] && echo libc=musl || echo libc=glibc
for node in "$(command -v node)" /usr/local/bin/node /usr/bin/node; do
  [ -x "$node" ] && echo "node=$node" && echo "version=$("$node" --version 2>/dev/null)" && break
done
for tool in tar gzip setsid tail mktemp; do command -v "$tool" >/dev/null || echo "lacks=$tool"; done
true
`

/**
 * Unpacks an archive from standard input; a directory under the final name is always complete.
 * $1 directory to create, $2 umask: 022 for files that programs of other accounts use, 077 for private files
 */
export const uploadScript = `
set -e
umask 022
parent=$(dirname "$1")
if [ "$2" = 077 ]; then umask 077; fi
mkdir -p "$parent"
[ -d "$1" ] && { cat >/dev/null; exit 0; }
new=$(mktemp -d "$parent/.new.XXXXXX")
trap 'rm -rf "$new"' EXIT
tar -xzf - -C "$new" --no-same-owner
[ "$2" = 077 ] || chmod 755 "$new"
# A host that is switched off now must not come back with empty files under a name that says they are whole.
find "$new" -type f -exec sync {} +
mv -T "$new" "$1" 2>/dev/null || [ -d "$1" ]
`

/** Prints the version of a program. $1 the program */
export const versionScript = '"$1" --version'

/** Selects the Node for later runs. $1 the engine's own files, $2 the program */
export const nodeScript = `
set -e
umask 022
mkdir -p "$1"
ln -sfn "$2" "$1/.node.$$"
mv -T "$1/.node.$$" "$1/node"
`

/** Ends with `{"missing": [...]}` where the Node or one of the directories in $needs does not exist. */
const missingPart = `
missing=
[ -x "$lib/node" ] || missing='"node"'
while IFS= read -r need; do
  [ -z "$need" ] || [ -d "$need" ] || missing="$missing\${missing:+,}\\"$need\\""
done <<END
$needs
END
[ -z "$missing" ] || { printf '\\n{"missing":[%s]}\\n' "$missing"; exit 0; }
`

/**
 * Runs a read-only command. Prints `{"missing": [...]}` where an upload is required first, else `{"asked": true}`
 * before the output of the command.
 * $1 the engine's own files, $2 required directories, by lines; then the command
 */
export const queryScript = `
lib=$1 needs=$2; shift 2
${missingPart}printf '\\n{"asked":true}\\n'
exec "$@"
`

/**
 * Starts a run that outlives the connection, and follows its events. Prints, as its first line, `{"missing": [...]}`
 * and ends where an upload is required first, else `{"started": "<run>"}`.
 * $1 the engine's own files, $2 directory of runs, $3 name of the run, $4 required directories, by lines; $5 keepScript
 * for a run that succeeds, or nothing, $6 to $8 its last arguments; $9 the run and its operator, for the lock script,
 * or nothing for a run that changes nothing; then the command
 */
export const startScript = `
umask 077
lib=$1 runs=$2 run=$3 needs=$4 keep=$5 keeps=$6 engine=$7 told=$8 by=$9; shift 9
${missingPart}mkdir -p "$runs" || exit 1
[ -d "$runs/$run" ] || {
  state=$(dirname "$runs")
  # The place that the number of the process takes is kept free: on a full disk nothing is started.
  mkdir "$runs/$run" && : >"$runs/$run/events" && env printf '%20s\\n' '' >"$runs/$run/pid" &&
    { [ -z "$by" ] || { env printf '%s\\n' "$by" >"$state/.last-run.$$" && mv -T "$state/.last-run.$$" "$state/last-run"; }; } || { rm -rf "$runs/$run" "$state/.last-run.$$"; exit 1; }
  while IFS= read -r need; do [ -z "$need" ] || touch -c "$need" 2>/dev/null; done <<END
$needs
END
  # A shell of its own begins it and ends: a run that was killed has a parent who takes notice, so that tail does.
  ( setsid sh -c '
    at=$1 keep=$2 lib=$3 state=$4 keeps=$5 engine=$6 told=$7; shift 7
    { "$@" && { [ -z "$keep" ] || sh -c "$keep" sh "$lib" "$state" "$keeps" "$engine" "$told"; }; } \\
      >>"$at/events" 2>>"$at/errors" </dev/null
    echo "{\\"event\\":\\"exit\\",\\"status\\":$?}" >>"$at/events"' \\
    sh "$runs/$run" "$keep" "$lib" "$state" "$keeps" "$engine" "$told" "$@" </dev/null >/dev/null 2>&1 &
    echo $! 1<>"$runs/$run/pid" )
  ls -1t "$runs" | tail -n +31 | while IFS= read -r old; do rm -rf "$runs/$old"; done
}
printf '\\n{"started":"%s"}\\n' "$run"
read -r pid <"$runs/$run/pid"
exec tail -s 0.05 -f -c +1 --pid="$pid" "$runs/$run/events" 2>/dev/null
`

/** Decides whether $pid is still the process with the argument $1: numbers are reused, above all after a reboot. */
const isRunningPart = `
isStill() { [ "\${pid:-0}" -gt 1 ] && tr '\\0' '\\n' <"/proc/$pid/cmdline" | grep -qxF -e "$1"; } 2>/dev/null
`

/**
 * Continues to read the events of a run. $1 directory of runs, $2 name of the run, $3 bytes that have been read
 * already. Exit status 4: the run does not exist.
 */
export const followScript = `${isRunningPart}
at=$1/$2
[ -d "$at" ] || exit 4
printf '\\n{"started":"%s"}\\n' "$2"
{ read -r pid; } 2>/dev/null <"$at/pid" || true
if isStill "$at"; then exec tail -s 0.05 -f -c "+$(($3 + 1))" --pid="$pid" "$at/events" 2>/dev/null; fi
exec tail -c "+$(($3 + 1))" "$at/events"
`

/**
 * Prints the state of a run (`running`, `stopped`, `disk` for uninterruptible sleep, `ended`), the process in that
 * state, and the bytes of its events. $1 directory of runs, $2 name of the run
 */
export const runStateScript = `${isRunningPart}
at=$1/$2 state=ended
size=$(wc -c <"$at/events") || exit 1
{ read -r pid; } 2>/dev/null <"$at/pid" || true
if isStill "$at"; then
  state=running
  for one in "$pid" $(cat "/proc/$pid/task/$pid/children" 2>/dev/null); do
    case $(sed -n 's/^State:[[:space:]]*//p' "/proc/$one/status" 2>/dev/null) in
      [Tt]*) state=stopped pid=$one ;;
      D*) state=disk pid=$one ;;
    esac
  done
fi
echo "$state \${pid:-0} $size"
`

/** Prints the end of a run's standard error. $1 directory of runs, $2 name of the run */
export const errorsScript = `tail -c 4000 "$1/$2/errors" 2>/dev/null || true`

/**
 * Asks a run to end after its current step. Prints the process that it signals, or nothing. $1 directory of runs, $2
 * name of the run
 */
export const interruptScript = `${isRunningPart}
{ read -r pid; } 2>/dev/null <"$1/$2/pid" || exit 0
isStill "$1/$2" || exit 0
# The run is the child of the shell that notes its exit status.
for child in $(cat "/proc/$pid/task/$pid/children" 2>/dev/null); do kill -INT "$child" && echo "$child"; done
true
`

/**
 * Locks the host for one rollout while standard input stays open and signs of life arrive. Prints `held`, after a line
 * `ran RUN OPERATOR` for the run that was started on the host last; or `busy` and the lock holder.
 * $1 state directory of the fleet, $2 name of the rollout, $3 the lock holder, for other operators
 */
export const lockScript = `${isRunningPart}
umask 077
mkdir -p "$1" || exit 1
lock=$1/held
# One after the other: of two that find the same dead holder, the second must not remove what the first has taken.
exec 9>"$1/taking" && flock -w 30 9 || exit 1
# env: the printf of coreutils says why it cannot write.
# With its owner in it from the first moment: a directory that is not empty cannot be replaced.
take() {
  mkdir "$lock.$$" && env printf '%s\\n%s\\n%s\\n' "$$" "$2" "$3" >"$lock.$$/owner" || { rm -rf "$lock.$$"; exit 1; }
  mv -T "$lock.$$" "$lock" 2>/dev/null || { rm -rf "$lock.$$"; false; }
}
busy() { printf '\\nbusy\\n%s\\n' "\${who:-somebody}"; exit 0; }
take "$@" || {
  { read -r pid; read -r rollout; read -r who; } 2>/dev/null <"$lock/owner" || true
  # A holder without a sign of life for a minute has lost its operator. One of the same rollout is our own, of a lost connection.
  [ "\${rollout:-}" = "$2" ] || ! isStill "\${rollout:-}" || [ -n "$(find "$lock" -maxdepth 0 -mmin +1 2>/dev/null)" ] || busy
  if isStill "\${rollout:-}"; then kill "$pid" 2>/dev/null; fi
  rm -rf "$lock"
  take "$@" || busy
}
trap '[ "$(head -n 1 "$lock/owner" 2>/dev/null)" = "$$" ] && rm -rf "$lock"' EXIT
trap 'exit 0' HUP TERM PIPE
exec 9>&-
{ read -r ran; } 2>/dev/null <"$1/last-run" && printf '\\nran %s\\n' "$ran"
printf '\\nheld\\n'
while IFS= read -r _; do touch "$lock"; done
`
