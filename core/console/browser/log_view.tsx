/** Shows a log of any length: only the lines in view are elements of the page. It follows the end until its reader scrolls up. */
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import { type LogLines, LogSearch, plainLine } from './log_lines.ts'
import type { LogLine } from './rollout_model.ts'

interface LogViewProps {
  readonly log: LogLines
  readonly hosts: readonly string[]
  /** The host whose lines are shown; null for all lines. */
  readonly host: string | null
  readonly onHost: (host: string | null) => void
  /** Name of the file that a reader downloads. */
  readonly file: string
}

/** Height of a line in the style sheet, in rem. */
const lineRem = 1.25
/** Lines that are rendered beyond each edge of the view, so that fast scrolling shows no gap. */
const margin = 30
/** Characters of a line that are shown; the downloaded file has all of them. */
const maxShown = 2000

export function LogView({ log, hosts, host, onHost, file }: LogViewProps) {
  const lines = log.of(host)
  const [text, setText] = useState('')
  const search = useMemo(() => new LogSearch(lines, text), [lines, text])
  const matches = search.matches()
  const [match, setMatch] = useState<number | null>(null)
  const position = usePosition(lines.length, `${host}`)
  const field = useRef<HTMLInputElement>(null)
  const clearMatch = () => setMatch(null)
  const goToMatch = (step: 1 | -1) => {
    if (matches.length === 0) return
    const from = match ?? (step === 1 ? -1 : 0)
    const next = (from + step + matches.length) % matches.length
    setMatch(next)
    position.show(matches[next] ?? 0)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (!(event.ctrlKey || event.metaKey) || event.key !== 'f' || document.activeElement === field.current) return
    // The browser would find only the lines in view. A second Ctrl-F is the browser's.
    event.preventDefault()
    field.current?.focus()
  }
  return (
    <section aria-labelledby="log-title" onKeyDown={onKeyDown}>
      <h3 id="log-title">
        Log {host !== null && <>of {host} </>}
        <span class="quiet">{lines.length.toLocaleString('en')} lines</span>
      </h3>
      <form
        class="log-tools"
        onSubmit={(event) => {
          event.preventDefault()
          goToMatch(1)
        }}
      >
        <label>
          <span class="hidden">Lines of</span>
          <select
            value={host ?? ''}
            onChange={({ currentTarget }) => {
              clearMatch()
              onHost(currentTarget.value || null)
            }}
          >
            <option value="">all hosts</option>
            {hosts.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span class="hidden">Search the log</span>
          <input
            type="search"
            placeholder="Search the log"
            ref={field}
            value={text}
            onInput={({ currentTarget }) => {
              clearMatch()
              setText(currentTarget.value)
            }}
            onKeyDown={(event) => {
              if (event.key !== 'Enter' || !event.shiftKey) return
              event.preventDefault()
              goToMatch(-1)
            }}
          />
        </label>
        <button type="button" class="plain" disabled={matches.length === 0} onClick={() => goToMatch(-1)}>
          Previous match
        </button>
        <button type="submit" class="plain" disabled={matches.length === 0}>
          Next match
        </button>
        <span class="quiet" aria-live="polite">
          {text !== '' && foundText(matches.length, match)}
        </span>
        <button type="button" class="plain" disabled={position.isFollowing} onClick={position.follow}>
          Go to the end
        </button>
        <button type="button" class="plain" onClick={() => download(lines, file)}>
          Download the log
        </button>
      </form>
      <div class="log" tabIndex={0} role="log" aria-live="off" aria-label="Log" {...position.events}>
        <div style={{ height: `${lines.length * lineRem}rem` }}>
          <div style={{ transform: `translateY(${position.first * lineRem}rem)` }}>
            {lines.slice(position.first, position.last).map((line, index) => {
              const at = position.first + index
              const isCurrent = match !== null && matches[match] === at
              // Lines have no other identity than their position.
              return <Line key={at} line={line} withHost={host === null} text={text} isCurrent={isCurrent} />
            })}
          </div>
        </div>
      </div>
    </section>
  )
}

function foundText(count: number, match: number | null): string {
  if (count === 0) return 'no line matches'
  const all = `${count.toLocaleString('en')} ${count === 1 ? 'line matches' : 'lines match'}`
  return match === null ? all : `${(match + 1).toLocaleString('en')} of ${all}`
}

interface LineProps {
  readonly line: LogLine
  readonly withHost: boolean
  /** The text that its reader searches. */
  readonly text: string
  readonly isCurrent: boolean
}

function Line({ line, withHost, text, isCurrent }: LineProps) {
  const shown = line.text.length > maxShown ? `${line.text.slice(0, maxShown)}…` : line.text
  return (
    <div class={isCurrent ? `line current ${line.kind}` : `line ${line.kind}`}>
      {line.host !== undefined && withHost && (
        <b>
          <Marked text={line.host} wanted={text} />{' '}
        </b>
      )}
      <Marked text={shown} wanted={text} />
    </div>
  )
}

/** Shows a text, and marks each place that contains `wanted`. */
function Marked({ text, wanted }: { readonly text: string; readonly wanted: string }) {
  const lower = text.toLowerCase()
  const small = wanted.toLowerCase()
  // Some letters have another length in lower case: positions would not agree.
  if (small === '' || lower.length !== text.length || !lower.includes(small)) return <>{text}</>
  const parts = []
  let from = 0
  for (let at = lower.indexOf(small); at >= 0; at = lower.indexOf(small, from)) {
    parts.push(text.slice(from, at), <mark key={at}>{text.slice(at, at + small.length)}</mark>)
    from = at + small.length
  }
  return (
    <>
      {parts}
      {text.slice(from)}
    </>
  )
}

/**
 * Computes which lines are in view.
 * @param count lines of the log
 * @param key identifies the log: a change scrolls to the end again
 */
function usePosition(count: number, key: string) {
  const element = useRef<HTMLDivElement>(null)
  const [isFollowing, setFollowing] = useState(true)
  const [top, setTop] = useState(0)
  const [height, setHeight] = useState(600)
  const linePx = lineRem * Number.parseFloat(getComputedStyle(document.documentElement).fontSize)
  useLayoutEffect(() => setFollowing(true), [key])
  useLayoutEffect(() => {
    const log = element.current
    if (log === null) return
    if (isFollowing) log.scrollTop = log.scrollHeight
    setHeight(log.clientHeight)
    setTop(log.scrollTop)
  }, [count, key, isFollowing])
  const inView = Math.ceil(height / linePx)
  const first = Math.max(0, Math.min(Math.floor(top / linePx), count - inView) - margin)
  return {
    isFollowing,
    first,
    last: first + inView + 2 * margin,
    follow: () => setFollowing(true),
    /** Scrolls a line to the middle. */
    show: (line: number) => {
      setFollowing(false)
      if (element.current !== null) element.current.scrollTop = (line - inView / 2) * linePx
    },
    events: {
      ref: element,
      onScroll: ({ currentTarget }: { readonly currentTarget: HTMLDivElement }) => {
        const { scrollTop, clientHeight, scrollHeight } = currentTarget
        setHeight(clientHeight)
        setTop(scrollTop)
        setFollowing(scrollTop + clientHeight > scrollHeight - linePx)
      },
    },
  }
}

/** Stores the lines as a file of the reader. */
function download(lines: readonly LogLine[], name: string): void {
  const content = new Blob(
    lines.map((line) => `${plainLine(line)}\n`),
    { type: 'text/plain' },
  )
  const link = document.createElement('a')
  link.href = URL.createObjectURL(content)
  link.download = name
  link.click()
  URL.revokeObjectURL(link.href)
}
