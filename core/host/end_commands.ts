/**
 * The shell script that finds the processes of a command and ends them. A shell starts in 1 ms, and Node in 40 ms; and it
 * exists even if the program's own files are removed.
 *
 * `guard DIRECTORY PID` waits until standard input closes, then ends the commands of the files `PID-*` in DIRECTORY.
 * `list FILE BOOT` prints the processes of one command that are alive.
 *
 * A file has two lines. The first is `end MARKER`, or `finish -` for a command that may outlive its run. The second is
 * `PID TICKS BOOT` of the command's own process, which is the leader of its session. TICKS is its start time (field 22 of
 * proc_pid_stat(5)): a process with the same number and another start time is not the command.
 */

/** The variable in the environment of a command that identifies its processes. */
export const markerName = '_CONVERGE_COMMAND'

/** Time between SIGTERM and SIGKILL. */
const killAfterSeconds = 5
/** Time after which the script gives up. */
const giveUpAfterSeconds = 30

export const endCommandsScript = `
load() { # FILE
  kind= marker= leader= ticks= boot=
  { read -r kind marker; read -r leader ticks boot; } <"$1"
  case $leader in ''|*[!0-9]*) leader=none;; esac
  case $marker in ''|*[!0-9a-f]*) marker=;; esac
} 2>/dev/null
find_processes() { # sets found: " PID PID "
  found=" " rows=
  for path in /proc/[0-9]*/stat; do
    { read -r line <"$path"; } 2>/dev/null || continue
    pid=\${path#/proc/} pid=\${pid%/stat}
    set -- \${line##*) }
    case $1 in Z|X|x) continue;; esac
    if [ "$pid" = "$leader" ]; then
      if [ "\${20}" != "$ticks" ]; then leader=none; else found=" $pid "; fi
    fi
    rows="$rows $pid:$2:$4"
  done
  if [ "$kind" != end ]; then return; fi
  marked=" "
  if [ -n "$marker" ]; then
    for path in $(grep -lzxF -e "${markerName}=$marker" /proc/[0-9]*/environ 2>/dev/null); do
      pid=\${path#/proc/} marked="$marked\${pid%/environ} "
    done
  fi
  grown=yes
  while [ -n "$grown" ]; do
    grown=
    for row in $rows; do
      pid=\${row%%:*} rest=\${row#*:}
      case $found in *" $pid "*) continue;; esac
      case $marked in *" $pid "*) ;; *)
        case $found in *" \${rest%%:*} "*) ;; *) [ "\${rest#*:}" = "$leader" ] || continue;; esac;;
      esac
      found="$found$pid " grown=yes
    done
  done
}
now() { # sets time: whole seconds since the boot
  read -r time _ </proc/uptime
  time=\${time%.*}
}
end_command() { # FILE
  load "$1"
  if [ "$kind" != end ]; then return; fi
  signalled=" " searches=0
  now
  kill=$((time + ${killAfterSeconds})) give_up=$((time + ${giveUpAfterSeconds}))
  while [ $time -le $give_up ]; do
    find_processes
    searches=$((searches + 1))
    # Search twice: a process may have been about to start.
    if [ "$found" = " " ] && [ $searches -gt 1 ]; then rm -f -- "$1"; return; fi
    for pid in $found; do
      case $signalled in
        *" $pid "*) [ $time -lt $kill ] || kill -KILL "$pid";;
        *) kill -TERM "$pid"; signalled="$signalled$pid ";;
      esac
    done 2>/dev/null
    sleep 0.1
    now
  done
}
case $1 in
  list)
    load "$2"
    if [ -n "$boot" ] && [ "$boot" != "$3" ]; then exit; fi
    find_processes
    echo $found;;
  guard)
    trap '' HUP INT QUIT TERM
    read -r _
    for file in "$2/$3"-*; do
      if [ -f "$file" ]; then end_command "$file" & fi
    done
    wait;;
esac
`
