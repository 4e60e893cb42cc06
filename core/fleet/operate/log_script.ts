/** The shell script that reads logs on a host: files that match a pattern, and journals of systemd units. */

/**
 * Prints each line as `NUMBER FILE<tab>LINE`; FILE is the name of the file or unit, without its directory. With no
 * existing lines requested and `follow`, it prints the last line as `=NUMBER FILE<tab>LINE`.
 * $1 lines of each log, $2 `follow` or nothing; then three words for each log: its number, `file` or `journal`, and a
 * pattern
 */
export const logScript = `
lines=$1 follow=$2; shift 2
show() {
  label=$(printf '%s' "\${2##*/}" | tr -c 'A-Za-z0-9._@-' '_')
  sed -u "s/^/$3$1 $label\\t/"
}
last_file() { [ "$lines" != 0 ] || tail -n 1 -- "$2" 2>/dev/null | show "$1" "$2" =; }
last_entry() { [ "$lines" != 0 ] || journalctl -q --no-pager -o short-iso -n 1 -u "$2" 2>/dev/null | show "$1" "$2" =; }
read_file() {
  if [ -e "$2" ] && [ ! -r "$2" ]; then echo "$2: permission denied" >&2
  elif [ -n "$follow" ]; then
    last_file "$1" "$2"
    tail -n "$lines" -F -- "$2" 2>/dev/null | show "$1" "$2" &
  elif [ -f "$2" ]; then tail -n "$lines" -- "$2" | show "$1" "$2"
  fi
}
while [ $# -ge 3 ]; do
  number=$1 kind=$2 pattern=$3; shift 3
  case $kind in
    file)
      IFS=
      for file in $pattern; do
        # A pattern that no file matches; the file of a program that has not started yet may still appear.
        case $file in *[*?]*) [ -e "$file" ] || continue ;; esac
        read_file "$number" "$file"
      done
      unset IFS
      ;;
    journal)
      command -v journalctl >/dev/null || continue
      if [ -n "$follow" ]; then
        last_entry "$number" "$pattern"
        journalctl -q --no-pager -o short-iso -n "$lines" -u "$pattern" -f 2>/dev/null | show "$number" "$pattern" &
      else
        journalctl -q --no-pager -o short-iso -n "$lines" -u "$pattern" 2>/dev/null | show "$number" "$pattern"
      fi
      ;;
  esac
done
wait
`
