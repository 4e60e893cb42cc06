/** Compares the figures with their targets. */
import type { DeployResults } from './deploy.ts'
import type { Results } from './results.ts'
import { times } from './table.ts'

export interface Measured {
  readonly resources?: Results | undefined
  readonly startup?: Results | undefined
  readonly deploy?: DeployResults | undefined
}

/** Target, figure, verdict; without a figure if part of the comparison was not measured. */
type Row = [target: string, figure: string, met: string]

const verdict = (met: boolean) => (met ? 'yes' : '**no**')

export function targets(measured: Measured): Row[] {
  const { resources, startup, deploy } = measured
  return [
    ...(resources ? resourceTargets(resources) : []),
    ...(startup ? startupTargets(startup) : []),
    ...(deploy ? deployTargets(deploy) : []),
  ]
}

/** Returns the milliseconds for one more resource without changes: the slope between 1,000 and 10,000. */
export function slope(results: Results, name: string, what: 'wall' | 'cpu'): number | null {
  const at = (size: string) => results.median(what, size, 'nothing to do', name)
  const [few, many] = [at('1000'), at('10000')]
  return few === null || many === null ? null : ((many - few) / 9000) * 1000
}

function resourceTargets(results: Results): Row[] {
  const wall = (size: number, phase: string, name: string) => results.median('wall', `${size}`, phase, name)
  const versus = (text: string, size: number, phase: string, factor: number): Row => {
    const [own, other] = [wall(size, phase, 'converge'), wall(size, phase, 'cfengine3')]
    if (own === null || other === null) return notMeasured(text)
    return [
      text,
      `${times(other, own)} (${own.toFixed(3)} s, cf-agent ${other.toFixed(3)} s)`,
      verdict(other / own >= factor),
    ]
  }
  const cost = slope(results, 'converge', 'wall')
  const peak = results.median('peak', '10000', 'nothing to do', 'converge')
  return [
    versus('nothing to do, N = 1,000: at least 2 times faster than cf-agent', 1000, 'nothing to do', 2),
    versus('nothing to do, N = 10,000: at least 6 times faster than cf-agent', 10_000, 'nothing to do', 6),
    below('one more resource, nothing to do: below 0.03 ms', cost, 0.03, 'ms', 4),
    below('peak memory, nothing to do, N = 10,000: below 150 MB', peak === null ? null : peak * 1.048576, 150, 'MB', 0),
    versus('first run, N = 1,000: faster than cf-agent', 1000, 'first run', 1),
  ]
}

function startupTargets(results: Results): Row[] {
  return ['converge --help', 'an empty run'].map((name) => {
    const text = `${name}: under 2 times node -e 0`
    const [own, node] = [results.median('wall', name), results.median('wall', 'node -e 0')]
    const [ownCpu, nodeCpu] = [results.median('cpu', name), results.median('cpu', 'node -e 0')]
    if (own === null || node === null || ownCpu === null || nodeCpu === null) return notMeasured(text)
    const figure = `${times(own, node)} (${own.toFixed(3)} s, node ${node.toFixed(3)} s), CPU ${times(ownCpu, nodeCpu)}`
    return [text, figure, verdict(own < 2 * node)]
  })
}

function deployTargets({ results, programs }: DeployResults): Row[] {
  const part = (text: string, phase: string, share: number): Row => {
    const [own, cap] = [results.median('wall', phase, 'converge'), results.median('wall', phase, 'capistrano')]
    if (own === null || cap === null) return notMeasured(text)
    return [
      text,
      `${(own / cap).toFixed(3)} (${own.toFixed(3)} s, Capistrano ${cap.toFixed(3)} s)`,
      verdict(own < cap * share),
    ]
  }
  const alone = 'an unchanged deploy runs one git ls-remote and nothing else'
  const short = programs?.map((words) => (words.includes(' ls-remote ') ? 'git ls-remote' : words.slice(0, 80)))
  return [
    part("an unchanged deploy: under 0.1 of Capistrano's time", 'unchanged', 0.1),
    part("a changed deploy, without the build: under 0.5 of Capistrano's time", 'changed', 0.5),
    short === undefined
      ? notMeasured(alone)
      : [alone, short.join('; ') || 'nothing', verdict(short.length === 1 && short[0] === 'git ls-remote')],
  ]
}

function below(text: string, value: number | null, limit: number, unit: string, digits: number): Row {
  return value === null ? notMeasured(text) : [text, `${value.toFixed(digits)} ${unit}`, verdict(value < limit)]
}

function notMeasured(text: string): Row {
  return [text, 'not measured', '']
}
