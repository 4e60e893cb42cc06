/** Renders the journal of a run as one HTML page that needs no network. */
import type { CommitRange } from '../model/commit_range.ts'
import { describeLocation } from '../model/errors.ts'
import { optionsOf } from '../model/selection.ts'
import { type ChangedProperty, type ChangeKind, changedProperties, kindOfChange } from './change_rows.ts'
import { duration } from './describe.ts'
import type { FailureReport, ResourceReport, RunReport, RunStart } from './events.ts'
import { htmlPage } from './html_page.ts'
import { type Html, html } from './html_text.ts'

/** The content of a journal: what one run did on a host. */
export interface JournalContent {
  readonly host: string
  readonly start: RunStart
  readonly resources: readonly ResourceReport[]
  readonly warnings: readonly string[]
  readonly notes: readonly string[]
  /** Null if the run was killed, or is under way. */
  readonly end: RunReport | null
}

export function htmlReport(run: JournalContent): string {
  const { host, start, resources, warnings, notes } = run
  const title = `${host}: run ${start.id}, ${start.events.join(', ')}`
  const failed = resources.filter(({ outcome }) => outcome === 'failed')
  return htmlPage(
    title,
    html`<header>
<h1>${host} <span class="muted">run ${start.id}</span></h1>
<p class="outcome ${outcomeClass(run)}">${outcomeText(run)}</p>
${facts(run)}
</header>
<main>
${failed.length > 0 ? section('Failures', failed.map(failureCard)) : ''}
${warnings.length > 0 ? section('Warnings', [list(warnings)]) : ''}
${groups(resources.filter(({ outcome }) => outcome !== 'failed' && outcome !== 'skipped'))}
${skippedList(resources)}
${notes.length > 0 ? section('Notes', [list(notes)]) : ''}
${resources.length === 0 ? html`<p>Every resource was as declared.</p>` : ''}
</main>`,
  )
}

function outcomeClass({ end }: JournalContent): string {
  if (end === null || end.outcome === 'interrupted') return 'warn'
  return end.outcome === 'failed' ? 'bad' : 'good'
}

function outcomeText({ end }: JournalContent): string {
  if (end === null) return 'The run did not end: it was killed, or is under way.'
  const texts = {
    unchanged: 'Nothing to do',
    changed: 'Changed as declared',
    planned: 'Planned',
    failed: 'Failed',
    interrupted: 'Interrupted: the next run finishes the work',
  }
  return texts[end.outcome]
}

function facts({ start, end }: JournalContent): Html {
  const counts = end?.counts
  const rows: (readonly [string, string])[] = [
    ['Roles', start.roles.join(', ')],
    ['Events', start.events.join(', ')],
    ['Started', start.started.replace('T', ' ').replace(/\.\d+Z$/, ' UTC')],
  ]
  if (end !== null) rows.push(['Duration', duration(end.durationMs)])
  if (counts !== undefined)
    for (const [name, count] of [
      ['Changed', counts.changed],
      ['Would change', counts.planned],
      ['Failed', counts.failed],
      ['Unchanged', counts.unchanged],
      ['Skipped', counts.skipped],
      ['Not reached', counts.notReached],
    ] as const)
      if (count > 0) rows.push([name, String(count)])
  const { selection } = start
  if (selection !== undefined && end?.leftOut !== undefined)
    rows.push([`Left out by ${optionsOf(selection)}`, String(end.leftOut)])
  return html`<dl>${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`
}

function section(name: string, content: readonly Html[]): Html {
  return html`<section><h2>${name}</h2>${content}</section>`
}

function list(texts: readonly string[]): Html {
  return html`<ul>${texts.map((text) => html`<li>${text}</li>`)}</ul>`
}

/** The changes, by role and event, in the order of the run. */
function groups(resources: readonly ResourceReport[]): Html {
  const byGroup = new Map<string, ResourceReport[]>()
  for (const resource of resources) {
    const name = `${resource.role}: ${resource.event}`
    byGroup.set(name, [...(byGroup.get(name) ?? []), resource])
  }
  return html`${[...byGroup].map(([name, all]) => section(`${name} (${all.length})`, all.map(changeCard)))}`
}

function skippedList(resources: readonly ResourceReport[]): Html | string {
  const all = resources.filter(({ outcome }) => outcome === 'skipped')
  if (all.length === 0) return ''
  return section(`Skipped (${all.length})`, [
    list(all.map(({ name, reason }) => `${name}${reason ? `: ${reason}` : ''}`)),
  ])
}

/** Rows of a change that are displayed without a click. */
const openRows = 12

function changeCard(resource: ResourceReport): Html {
  const { name, words, reason, durationMs, comparedWith, patch = [], attempts, commits } = resource
  const took = durationMs >= 100 ? duration(durationMs) : ''
  const tries = attempts === undefined ? '' : `${attempts} attempts`
  const compared = comparedWith && `${comparedWith.isSame ? 'same content as' : 'compared with'} ${comparedWith.path}`
  const kind = kindOfChange(patch)
  const shown = [kindNames[kind], words, reason, compared, tries, took].filter(
    (text) => text !== undefined && text !== '',
  )
  const diff = diffOf(resource)
  const rows = changedProperties({ ...resource, diff }, true)
  return html`<article><h3>${name}</h3>
<p class="muted">${shown.join(' \u00b7 ')}</p>
${commits === undefined ? '' : commitList(commits)}
${rows.length > 0 ? foldedSection(`${rows.length} properties`, rows.length, table(rows, kind)) : ''}
${diff === undefined ? '' : foldedSection(`diff, ${diff.length} lines`, diff.length, diffBlock(diff))}
</article>`
}

const kindNames: Readonly<Record<ChangeKind, string>> = { create: 'created', change: 'changed', remove: 'removed' }

/** Returns the lines of the diff; a journal has a new text only as the value of its property. */
function diffOf({ diff, patch = [] }: ResourceReport): readonly string[] | undefined {
  if (diff !== undefined && diff.length > 0) return diff
  const change = patch.find(({ path }) => path === '/content')
  const text: unknown = change !== undefined && 'value' in change ? change.value : undefined
  if (typeof text !== 'string' || !text.includes('\n') || typeof change?.before === 'string') return undefined
  return text
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => `+${line}`)
}

function commitList({ from, to, added, removed, newest }: CommitRange): Html {
  const items = newest.map(
    ({ commit, author, subject }) =>
      html`<li><code>${commit.slice(0, 8)}</code> ${subject} <span class="muted">${author}</span></li>`,
  )
  const hidden = (added > 0 ? added : removed) - newest.length
  return html`<p>From <code>${from.slice(0, 8)}</code> to <code>${to.slice(0, 8)}</code>: ${added} added, ${removed} removed</p>
<ul>${items}${hidden > 0 ? html`<li class="muted">and ${hidden} more</li>` : ''}</ul>`
}

function foldedSection(name: string, rows: number, content: Html): Html {
  return rows <= openRows ? content : html`<details><summary>${name}</summary>${content}</details>`
}

function table(properties: readonly ChangedProperty[], kind: ChangeKind): Html {
  const rows = properties.map(({ name, before, after }) => {
    // A masked value looks the same before and after.
    const isMasked = before === after
    const from = isMasked
      ? html`<span class="muted">differs:</span> `
      : before === null || kind === 'create'
        ? ''
        : html`<del>${before}</del> <span class="muted">&rarr;</span> `
    return html`<tr><th scope="row">${name}</th><td>${from}<ins>${after}</ins></td></tr>`
  })
  return html`<div class="scroll"><table>${rows}</table></div>`
}

export function diffBlock(lines: readonly string[]): Html {
  const kinds: Readonly<Record<string, string>> = { '+': 'add', '-': 'del', '@': 'gap' }
  const rows = lines.map((line) => html`<span class="${kinds[line[0] ?? ''] ?? 'same'}">${line}\n</span>`)
  return html`<pre tabindex="0">${rows}</pre>`
}

function failureCard({ name, role, event, failure, ignored, output, durationMs }: ResourceReport): Html {
  const ending = ignored ? 'failed (ignored)' : 'failed'
  return html`<article class="failure"><h3>${name}</h3>
<p class="muted">${role}: ${event} &middot; ${ending} after ${duration(durationMs)}</p>
${failure === undefined ? '' : problem(failure, output)}
${(failure?.problems ?? []).map((one) => problem(one, undefined))}</article>`
}

function problem(failure: Omit<FailureReport, 'problems'>, whole: string | undefined): Html {
  const output = whole ?? failure.output
  const where =
    failure.source === undefined ? '' : html` <span class="muted">${describeLocation(failure.source)}</span>`
  return html`<p><strong>${failure.message}</strong>${where}</p>
${failure.hint === undefined ? '' : html`<p class="hint"><span>Hint:</span> ${failure.hint}</p>`}
${output === undefined || output === '' ? '' : foldedSection('output', output.split('\n').length, html`<pre tabindex="0">${output}</pre>`)}`
}
