/** Renders a deployment as one HTML page: who, when, the plan, and what happened on each host. */
import type { FleetEvent, HostReport, RolloutReport } from '../../fleet/types.ts'
import { duration } from '../../report/describe.ts'
import { htmlPage } from '../../report/html_page.ts'
import { diffBlock } from '../../report/html_report.ts'
import { type Html, html } from '../../report/html_text.ts'
import type { State } from './state_names.ts'
import type { ConsoleDeployment, PlanGroup } from './states.ts'

/** The end of a rollout, its health checks and its pauses, from its events. */
interface RolloutEvents {
  /** Null if the rollout was killed, or never began. */
  readonly report: RolloutReport | null
  readonly checks: readonly (FleetEvent & { readonly event: 'health' })[]
  readonly pauses: readonly (FleetEvent & { readonly event: 'paused' })[]
}

/** @param events those of the rollout */
export async function deploymentReport(
  deployment: ConsoleDeployment,
  events: AsyncIterable<FleetEvent>,
): Promise<string> {
  const { id, stack, state, reason, plan } = deployment
  const collected = await collectEvents(events)
  const { report, checks, pauses } = collected
  const warnings = [
    ...(report?.warnings ?? []),
    ...(report?.hostWarnings ?? []).map(({ message, hosts }) => `${hosts.join(', ')}: ${message}`),
  ]
  return htmlPage(
    `Deployment ${id} of ${stack}: ${state}`,
    html`<header>
<h1>Deployment ${id} <span class="muted">of ${stack}</span></h1>
<p class="outcome ${outcomeClass(state)}">${state}${reason === null ? '' : `: ${reason}`}</p>
${facts(deployment, collected)}
</header>
<main>
${report === null ? '' : section('Hosts', [hostTable(report.hosts)])}
${list('Warnings', warnings)}
${list(
  'Health checks',
  checks.map(({ what, ok, detail }) => `${ok ? 'ok' : 'not ok'}: ${what} ${detail}`),
)}
${list(
  'Pauses',
  pauses.map(({ by, since, comment }) => [`paused by ${by} at ${time(since)}`, comment].filter(Boolean).join(': ')),
)}
${plan === null ? '' : section('Plan', plan.groups.length === 0 ? [html`<p>Nothing to change.</p>`] : plan.groups.map(groupCard))}
</main>`,
  )
}

async function collectEvents(events: AsyncIterable<FleetEvent>): Promise<RolloutEvents> {
  let report: RolloutReport | null = null
  const checks: (FleetEvent & { readonly event: 'health' })[] = []
  const pauses: (FleetEvent & { readonly event: 'paused' })[] = []
  for await (const event of events)
    if (event.event === 'end') report = event.report
    else if (event.event === 'health') checks.push(event)
    else if (event.event === 'paused') pauses.push(event)
  return { report, checks, pauses }
}

function outcomeClass(state: State): string {
  if (state === 'succeeded') return 'good'
  return state === 'failed' ? 'bad' : 'warn'
}

function facts(deployment: ConsoleDeployment, { report }: RolloutEvents): Html {
  const { request, by, created, started, ended, confirmedBy, approvedBy, abortedBy, record } = deployment
  const { action, apps, layers, hosts, revision, to, strategy, comment } = request
  const took = started === null || ended === null ? null : duration(Date.parse(ended) - Date.parse(started))
  const rows: readonly (readonly [string, string | null | undefined])[] = [
    ['Action', action],
    ['Apps', apps.join(', ') || 'all'],
    ['Layers', layers.join(', ')],
    ['Selected hosts', hosts.join(', ')],
    ['Revision', revision],
    ['Rolled back to', to],
    ['Strategy', report?.strategy ?? strategy],
    [
      'Commits',
      Object.entries(report?.commits ?? {})
        .map(([app, commit]) => `${app} ${commit.slice(0, 12)}`)
        .join(', '),
    ],
    ['Comment', comment],
    ['Requested', `${by}, ${time(created)}`],
    ['Confirmed', confirmedBy],
    ['Approved', approvedBy],
    ['Aborted', abortedBy],
    ['Started', started === null ? null : time(started)],
    ['Duration', took],
    ['Record', record],
  ]
  return html`<dl>${rows.flatMap(([name, value]) =>
    value ? [html`<div><dt>${name}</dt><dd>${value}</dd></div>`] : [],
  )}</dl>`
}

function time(text: string): string {
  return text.replace('T', ' ').replace(/\.\d+Z$/, ' UTC')
}

function section(name: string, content: readonly Html[]): Html {
  return html`<section><h2>${name}</h2>${content}</section>`
}

function list(name: string, texts: readonly string[]): Html | string {
  return texts.length === 0 ? '' : section(name, [html`<ul>${texts.map((text) => html`<li>${text}</li>`)}</ul>`])
}

function hostTable(hosts: readonly HostReport[]): Html {
  const rows = hosts.map(({ host, outcome, phase, durationMs, failure, reason, moves = [] }) => {
    const changes = moves.map(({ app, from, to }) => `${app} ${shortRelease(from)} → ${shortRelease(to)}`)
    const why =
      failure === undefined
        ? (reason ?? '')
        : html`${failure.message}${failure.hint === undefined ? '' : html`<br><span class="muted">${failure.hint}</span>`}`
    return html`<tr><td>${host}</td><td class="${outcome === 'failed' || outcome === 'lost' ? 'bad' : ''}">${outcome}</td>
<td>${phase ?? ''}</td><td>${duration(durationMs)}</td><td>${changes.join(', ')}</td><td>${why}</td></tr>`
  })
  const heads = ['Host', 'Outcome', 'Last phase', 'Duration', 'Releases', 'Reason']
  return html`<div class="scroll"><table><thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
<tbody>${rows}</tbody></table></div>`
}

function shortRelease(release: { readonly commit: string | null; readonly release: string | null } | null): string {
  return release === null ? 'none' : (release.commit?.slice(0, 12) ?? release.release ?? 'unknown')
}

function groupCard({ hosts, changes }: PlanGroup): Html {
  const items = changes.map(({ resource, summary, diff }) => {
    const text = html`<pre tabindex="0">${summary ?? resource}</pre>`
    return diff.length === 0
      ? text
      : html`${text}<details><summary>diff, ${diff.length} lines</summary>${diffBlock(diff)}</details>`
  })
  return html`<article><h3>${hosts.join(', ')}</h3>${items}</article>`
}
