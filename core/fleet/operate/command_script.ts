/** Defines the shell script that runs a command on a host and ends it with the connection. */

/** The line before the command's output, on both streams: the account's shell may print something first. */
export const beginMarker = 'converge: begins'

/**
 * Runs a command until it ends or standard input closes: an interrupt, the deadline and a lost connection all close it.
 * The script then ends all processes of the command, with SIGKILL after 5 s.
 * $1 account to run it as, or nothing, $2 `input` if the first line of standard input is that of the command; then the
 * command. A here-document keeps the input out of process lists.
 */
export const commandScript = `
account=$1 hasInput=$2; shift 2
input=
printf '\\n%s\\n' '${beginMarker}'
printf '\\n%s\\n' '${beginMarker}' >&2
exec 3<&0
[ -z "$hasInput" ] || IFS= read -r input <&3
if [ -n "$account" ]; then
  home=$(getent passwd "$account" | cut -d: -f6)
  cd "\${home:-/}" 2>/dev/null || cd /
  set -- runuser -u "$account" -- env HOME="\${home:-/}" USER="$account" LOGNAME="$account" "$@"
fi
if [ -n "$hasInput" ]; then
  setsid "$@" 3<&- <<INPUT &
$input
INPUT
else setsid "$@" </dev/null 3<&- &
fi
child=$!
# Until setsid has run, the process leads no group.
signal() { kill -s "$1" -- "-$child" || kill -s "$1" "$child"; }
(
  while IFS= read -r _; do :; done <&3
  trap '' TERM
  signal TERM
  tries=50
  while [ "$tries" -gt 0 ] && signal 0; do sleep 0.1; tries=$((tries - 1)); done
  signal KILL
) >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait "$child"
status=$?
kill "$watcher" 2>/dev/null
exit "$status"
`
