/** Computes the picture of a stack: a column for each step from the visitors inwards, a box for each layer. */
import { describeNames } from '../screen/host_name_list.ts'
import { cut, widthOf } from '../screen/text.ts'
import { type Arrow, arrowsOf, type HostServices, type Service } from './services.ts'
import type { Stack } from './stack.ts'

export interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** A line of a host's box, where arrows begin and end. */
export interface Row {
  readonly service: Service
  readonly text: string
  /** The vertical middle. */
  readonly y: number
}

/** One host, or several with the same services. */
export interface HostBox extends Box {
  readonly hosts: readonly string[]
  readonly title: string
  readonly detail: string
  readonly rows: readonly Row[]
}

export interface LayerBox extends Box {
  readonly title: string
  readonly detail: string
  readonly hosts: readonly HostBox[]
}

/** A box for something outside the stack: visitors, or an external database. */
export interface OutsideBox extends Box {
  readonly title: string
  readonly lines: readonly string[]
}

export interface Picture {
  readonly width: number
  readonly height: number
  readonly layers: readonly LayerBox[]
  readonly visitors: OutsideBox | null
  readonly outside: readonly OutsideBox[]
  readonly arrows: readonly Arrow[]
}

export const line = 18
const padding = 12
const gap = 24
const channel = 90
/** In a layer with more hosts than this, hosts with the same services share a box. */
const most = 6
/** The most columns for the names of many hosts; their number is displayed below. */
const longest = 48

/** Estimated width of a letter in the sizes used; a character of a wide script takes two. Text is not measured. */
const letter = 7.2
const wide = (texts: readonly string[]) => Math.max(0, ...texts.map(widthOf)) * letter

/** Formats ports briefly: `:80 :443`, `:8081-8084`. */
export function portsText(ports: readonly number[]): string {
  const runs: [number, number][] = []
  for (const port of [...ports].sort((a, b) => a - b)) {
    const last = runs.at(-1)
    if (last && last[1] + 1 === port) last[1] = port
    else runs.push([port, port])
  }
  return runs.map(([from, to]) => `:${from === to ? from : `${from}-${to}`}`).join(' ')
}

export function serviceText({ name, ports }: Service): string {
  return ports.length === 0 ? name : `${name} ${portsText(ports)}`
}

/** A layer to draw, before it has a position. */
interface Group {
  readonly name: string
  readonly title: string
  readonly detail: string
  readonly members: readonly Member[]
}

interface Member {
  readonly hosts: readonly string[]
  readonly title: string
  readonly detail: string
  readonly stopped: boolean
  readonly services: readonly Service[]
}

export function pictureOf(stack: Stack, services: readonly HostServices[]): Picture {
  const arrows = arrowsOf(stack, services)
  const groups = groupsOf(stack, services)
  const domains = [
    ...new Set(stack.apps.flatMap(({ deploy }) => (Array.isArray(deploy.domains) ? deploy.domains : []))),
  ]
  const isVisited = services.some((host) => host.services.some(({ visited }) => visited))
  const columns = columnsOf(groups, arrows)
  const outside = [...new Set(arrows.flatMap(({ to }) => ('outside' in to ? [to.outside] : [])))]
  const shown = domains.length > 4 ? [...domains.slice(0, 3), `and ${domains.length - 3} more`] : domains
  const visitors = isVisited ? outsideBox('visitors', shown.map(String)) : null
  const outer = outside.map((address) => outsideBox(address, []))
  const stacked: (readonly Box[])[] = [
    ...(visitors === null ? [] : [[visitors]]),
    ...columns.map((column) => column.map(sizeOf)),
    ...(outer.length === 0 ? [] : [outer]),
  ]
  const heightOf = (boxes: readonly Box[]) => boxes.reduce((sum, box) => sum + box.height + gap, -gap)
  const height = Math.max(...stacked.map(heightOf), 0) + 2 * gap
  let x = gap
  const placed = stacked.map((boxes) => {
    const width = Math.max(...boxes.map((box) => box.width))
    let y = (height - heightOf(boxes)) / 2
    const column = boxes.map((box) => {
      const at = { x: box.width < width ? x + (width - box.width) / 2 : x, y }
      y += box.height + gap
      return at
    })
    x += width + channel
    return column
  })
  const first = visitors === null ? 0 : 1
  return {
    width: x - channel + gap,
    height,
    layers: columns.flatMap((column, index) =>
      column.map((group, row) => layerBox(group, placed[first + index]?.[row] ?? { x: 0, y: 0 })),
    ),
    visitors: visitors && { ...visitors, ...placed[0]?.[0] },
    outside: outer.map((box, index) => ({ ...box, ...placed.at(-1)?.[index] })),
    arrows,
  }
}

/** Groups the hosts by the first of their layers. */
function groupsOf({ layers, hosts }: Stack, services: readonly HostServices[]): Group[] {
  const running = new Map(services.map((one) => [one.host, one.services]))
  return layers.flatMap(({ name, title, roles }) => {
    const layerHosts = hosts.filter((host) => host.layers[0] === name)
    const members = layerHosts.map((host): Member => {
      const more = host.layers.slice(1)
      const also = more.length === 0 ? '' : ` + ${more.join(', ')}`
      const stopped = host.status === 'stopped'
      const detail = `${host.address}${also}${stopped ? ' (stopped)' : ''}`
      return { hosts: [host.name], title: host.name, detail, stopped, services: running.get(host.name) ?? [] }
    })
    if (members.length === 0) return []
    const shown = members.length > most ? alike(members) : members
    return [{ name, title, detail: roles.join(', '), members: shown }]
  })
}

function alike(members: readonly Member[]): Member[] {
  const groups = new Map<string, Member[]>()
  for (const member of members) {
    const key = JSON.stringify([member.services.map(serviceText), member.stopped])
    groups.set(key, [...(groups.get(key) ?? []), member])
  }
  return [...groups.values()].map((same): Member => {
    const [first, ...more] = same
    if (first !== undefined && more.length === 0) return first
    const hosts = same.flatMap((member) => member.hosts)
    const title = cut(describeNames(hosts), longest)
    const stopped = first?.stopped ?? false
    const detail = `${hosts.length} hosts${stopped ? ' (stopped)' : ''}`
    return { hosts, title, detail, stopped, services: first?.services ?? [] }
  })
}

/**
 * Sorts the layers into columns: a service stands to the right of its clients. Layers that connect to each other share
 * a column.
 */
function columnsOf(groups: readonly Group[], arrows: readonly Arrow[]): Group[][] {
  const layerOf = new Map(
    groups.flatMap(({ name, members }) => members.flatMap(({ hosts }) => hosts.map((host) => [host, name]))),
  )
  const askers = new Map<string, Set<string>>()
  for (const { from, to } of arrows) {
    const [asks, target] = [layerOf.get(from.host), 'host' in to ? layerOf.get(to.host) : undefined]
    if (asks === undefined || target === undefined || asks === target) continue
    askers.set(target, (askers.get(target) ?? new Set()).add(asks))
  }
  const depths = new Map<string, number>()
  const depth = (name: string, way: readonly string[]): number => {
    const known = depths.get(name)
    if (known !== undefined) return known
    const before = [...(askers.get(name) ?? [])].filter((one) => !way.includes(one))
    const found = Math.max(-1, ...before.map((one) => depth(one, [...way, name]))) + 1
    depths.set(name, found)
    return found
  }
  const columns: Group[][] = []
  for (const group of groups) {
    const at = depth(group.name, [])
    columns[at] = [...(columns[at] ?? []), group]
  }
  return columns.filter((column) => column !== undefined)
}

function outsideBox(title: string, lines: readonly string[]): OutsideBox {
  const width = wide([title, ...lines]) + 2 * padding
  return { x: 0, y: 0, width, height: line * (1 + lines.length) + padding, title, lines }
}

const titleLines = 2

function memberHeight({ services }: Member): number {
  return line * (titleLines + services.length) + padding
}

function sizeOf({ title, detail, members }: Group): Box {
  const inner = wide(members.flatMap((one) => [one.title, one.detail, ...one.services.map(serviceText)])) + 3 * padding
  const width = Math.max(inner + 2 * padding, wide([title, detail]) + 2 * padding)
  const height = members.reduce((sum, member) => sum + memberHeight(member) + padding, line * titleLines + padding)
  return { x: 0, y: 0, width, height }
}

function layerBox(group: Group, at: { readonly x: number; readonly y: number }): LayerBox {
  const { width, height } = sizeOf(group)
  let y = at.y + line * titleLines + padding
  const hosts = group.members.map((member): HostBox => {
    const box = { x: at.x + padding, y, width: width - 2 * padding, height: memberHeight(member) }
    const rows = member.services.map((service, index) => ({
      service,
      text: serviceText(service),
      y: box.y + line * (titleLines + index + 0.5),
    }))
    y += box.height + padding
    return { ...box, hosts: member.hosts, title: member.title, detail: member.detail, rows }
  })
  return { ...at, width, height, title: group.title, detail: group.detail, hosts }
}
