/** Formats the measurements as one Markdown document. */
import { type DeployResults, deployPhases } from './deploy.ts'
import type { Peer } from './peers/types.ts'
import { phases } from './resources.ts'
import { figureNames, type Results } from './results.ts'
import { table } from './table.ts'
import { type Measured, slope, targets } from './targets.ts'

export interface Contestant {
  readonly peer: Peer
  readonly version: string | null
}

export function report(measured: Measured, machine: readonly string[], contestants: readonly Contestant[]): string {
  const versions = contestants.map(({ peer, version }) =>
    version === null ? `${peer.name}: not installed (package ${peer.package})` : `${peer.name} ${version}`,
  )
  const sections = [
    '# Measurements',
    'Written by `npm run bench`. Figures are medians, with the range in brackets. Wall time, CPU of the whole process tree, and peak memory of its largest process come from wait4(2). Repetitions are interleaved, and each result is verified.',
    [...machine, versions.join(', '), new Date().toISOString().slice(0, 10)].map((line) => `- ${line}`).join('\n'),
    '## Targets',
    table(['target', 'measured', 'met'], targets(measured)),
    ...(measured.resources ? resourceSections(measured.resources, contestants) : []),
    ...(measured.startup ? startupSections(measured.startup) : []),
    ...(measured.deploy ? deploySections(measured.deploy) : []),
  ]
  return `${sections.join('\n\n')}\n`
}

function resourceSections(results: Results, contestants: readonly Contestant[]): string[] {
  const order = (row: readonly string[]) => Number(row[0]) * 10 + phases.indexOf(row[1] ?? '')
  const rows = results.rows().sort((a, b) => order(a) - order(b))
  const costs = contestants.flatMap(({ peer: { name } }) => {
    const [wall, cpu] = [slope(results, name, 'wall'), slope(results, name, 'cpu')]
    return wall === null || cpu === null ? [] : [[name, wall.toFixed(4), cpu.toFixed(4)]]
  })
  return [
    '## One desired state by each tool',
    'Eight of ten resources are files of 1 KB rendered from a template (mode 0640), one is a directory (0750), one a link. A tool that needed a minute at one size does not run again at that size.',
    table(['resources', 'phase', 'tool', ...figureNames], rows),
    ...(costs.length > 0
      ? ['Time for one more resource with nothing to do:', table(['tool', 'wall ms', 'CPU ms'], costs)]
      : []),
  ]
}

function startupSections(results: Results): string[] {
  return ['## Start-up', table(['command', ...figureNames], results.rows())]
}

function deploySections({ results, size, missing }: DeployResults): string[] {
  const order = ([phase]: readonly string[]) => deployPhases.indexOf(phase ?? '')
  return [
    '## A deploy',
    `3,000 files, ${size.toFixed(0)} MB, 30 of them changed. Capistrano works over ssh to this host; its CPU time does not include its commands there. \`git archive | tar\` makes no release; it is the minimum of work.`,
    ...(missing.length > 0 ? [`Not installed: ${missing.join(', ')}.`] : []),
    table(
      ['deploy', 'tool', ...figureNames],
      results.rows().sort((a, b) => order(a) - order(b)),
    ),
  ]
}
