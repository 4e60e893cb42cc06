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

/** Height of a line of text. */
export const lineHeight = 18
const padding = 12
/** Space between the boxes of a column, and around the picture. */
const gap = 24
/** Space between two columns, for the arrows. */
const channelWidth = 90
/** In a layer with more hosts than this, hosts with the same services share a box. */
const maxHostBoxes = 6
/** Terminal columns of the names of hosts that share a box; their number is displayed below. */
const maxNamesWidth = 48

/** Estimated width of a letter in the font sizes of the picture; a character of a wide script takes two. */
const letterWidth = 7.2
const textWidth = (texts: readonly string[]) => Math.max(0, ...texts.map(widthOf)) * letterWidth

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

/** A box of a layer: a host, or several that share it. */
interface Member {
  readonly hosts: readonly string[]
  readonly title: string
  readonly detail: string
  readonly stopped: boolean
  readonly services: readonly Service[]
}

export function pictureOf(stack: Stack, services: readonly HostServices[]): Picture {
  const arrows = arrowsOf(stack, services)
  const columns = columnsOf(groupsOf(stack, services), arrows)
  const visitors = visitorsBox(stack, services)
  const outsideAddresses = [...new Set(arrows.flatMap(({ to }) => ('outside' in to ? [to.outside] : [])))]
  const outside = outsideAddresses.map((address) => outsideBox(address, []))
  const boxColumns: (readonly Box[])[] = [
    ...(visitors === null ? [] : [[visitors]]),
    ...columns.map((column) => column.map(sizeOf)),
    ...(outside.length === 0 ? [] : [outside]),
  ]
  const { width, height, positions } = arrange(boxColumns)
  const firstLayer = visitors === null ? 0 : 1
  return {
    width,
    height,
    layers: columns.flatMap((column, index) =>
      column.map((group, row) => layerBox(group, positions[firstLayer + index]?.[row] ?? { x: 0, y: 0 })),
    ),
    visitors: visitors && { ...visitors, ...positions[0]?.[0] },
    outside: outside.map((box, index) => ({ ...box, ...positions.at(-1)?.[index] })),
    arrows,
  }
}

function visitorsBox({ apps }: Stack, services: readonly HostServices[]): OutsideBox | null {
  if (!services.some((host) => host.services.some(({ isVisited: visited }) => visited))) return null
  const domains = [...new Set(apps.flatMap(({ deploy }) => (Array.isArray(deploy.domains) ? deploy.domains : [])))]
  const listed = domains.length > 4 ? [...domains.slice(0, 3), `and ${domains.length - 3} more`] : domains
  return outsideBox('visitors', listed.map(String))
}

interface Position {
  readonly x: number
  readonly y: number
}

interface Arrangement {
  readonly width: number
  readonly height: number
  /** By column, the upper left corner of each box. */
  readonly positions: readonly (readonly Position[])[]
}

/** Places columns of boxes from left to right, each centered vertically, and its boxes centered in it. */
function arrange(columns: readonly (readonly Box[])[]): Arrangement {
  const heightOf = (boxes: readonly Box[]) => boxes.reduce((sum, box) => sum + box.height + gap, -gap)
  const height = Math.max(...columns.map(heightOf), 0) + 2 * gap
  let x = gap
  const positions = columns.map((boxes) => {
    const width = Math.max(...boxes.map((box) => box.width))
    let y = (height - heightOf(boxes)) / 2
    const column = boxes.map((box) => {
      const position = { x: x + (width - box.width) / 2, y }
      y += box.height + gap
      return position
    })
    x += width + channelWidth
    return column
  })
  return { width: x - channelWidth + gap, height, positions }
}

/** Groups the hosts by the first of their layers; layers without hosts are left out. */
function groupsOf({ layers, hosts }: Stack, services: readonly HostServices[]): Group[] {
  const servicesOf = new Map(services.map((entry) => [entry.host, entry.services]))
  return layers.flatMap(({ name, title, roles }) => {
    const layerHosts = hosts.filter((host) => host.layers[0] === name)
    const members = layerHosts.map((host): Member => {
      const otherLayers = host.layers.slice(1)
      const suffix = otherLayers.length === 0 ? '' : ` + ${otherLayers.join(', ')}`
      const stopped = host.status === 'stopped'
      const detail = `${host.address}${suffix}${stopped ? ' (stopped)' : ''}`
      return { hosts: [host.name], title: host.name, detail, stopped, services: servicesOf.get(host.name) ?? [] }
    })
    if (members.length === 0) return []
    const boxes = members.length > maxHostBoxes ? combineSimilar(members) : members
    return [{ name, title, detail: roles.join(', '), members: boxes }]
  })
}

/** Combines hosts with the same services and the same status. */
function combineSimilar(members: readonly Member[]): Member[] {
  const groups = new Map<string, Member[]>()
  for (const member of members) {
    const key = JSON.stringify([member.services.map(serviceText), member.stopped])
    groups.set(key, [...(groups.get(key) ?? []), member])
  }
  return [...groups.values()].map((same): Member => {
    const [first, ...more] = same
    if (first !== undefined && more.length === 0) return first
    const hosts = same.flatMap((member) => member.hosts)
    const title = cut(describeNames(hosts), maxNamesWidth)
    const stopped = first?.stopped ?? false
    const detail = `${hosts.length} hosts${stopped ? ' (stopped)' : ''}`
    return { hosts, title, detail, stopped, services: first?.services ?? [] }
  })
}

/**
 * Sorts the layers into columns: a layer stands to the right of the layers that connect to it. Layers that connect to each
 * other, also through others, share a column.
 */
function columnsOf(groups: readonly Group[], arrows: readonly Arrow[]): Group[][] {
  const clientsOf = layerClients(groups, arrows)
  const allClients = new Map(groups.map(({ name }) => [name, reachable(name, clientsOf)]))
  const depths = new Map<string, number>()
  const depthOf = (name: string): number => {
    const known = depths.get(name)
    if (known !== undefined) return known
    const toTheLeft = [...(allClients.get(name) ?? [])].filter((client) => !allClients.get(client)?.has(name))
    const depth = Math.max(-1, ...toTheLeft.map(depthOf)) + 1
    depths.set(name, depth)
    return depth
  }
  const columns: Group[][] = []
  for (const group of groups) {
    const depth = depthOf(group.name)
    columns[depth] = [...(columns[depth] ?? []), group]
  }
  return columns.filter((column) => column !== undefined)
}

/** By layer, the other layers with a host that connects to one of its hosts. */
function layerClients(groups: readonly Group[], arrows: readonly Arrow[]): ReadonlyMap<string, ReadonlySet<string>> {
  const layerOf = new Map(
    groups.flatMap(({ name, members }) => members.flatMap(({ hosts }) => hosts.map((host) => [host, name]))),
  )
  const clients = new Map<string, Set<string>>()
  for (const { from, to } of arrows) {
    const client = layerOf.get(from.host)
    const target = 'host' in to ? layerOf.get(to.host) : undefined
    if (client === undefined || target === undefined || client === target) continue
    clients.set(target, (clients.get(target) ?? new Set()).add(client))
  }
  return clients
}

/** Returns every name that can be reached from a name, itself only through a circle. */
function reachable(start: string, edges: ReadonlyMap<string, ReadonlySet<string>>): ReadonlySet<string> {
  const reached = new Set(edges.get(start))
  // The loop also visits the names that it adds.
  for (const name of reached) for (const next of edges.get(name) ?? []) reached.add(next)
  return reached
}

function outsideBox(title: string, lines: readonly string[]): OutsideBox {
  const width = textWidth([title, ...lines]) + 2 * padding
  return { x: 0, y: 0, width, height: lineHeight * (1 + lines.length) + padding, title, lines }
}

const titleLines = 2

function memberHeight({ services }: Member): number {
  return lineHeight * (titleLines + services.length) + padding
}

function sizeOf({ title, detail, members }: Group): Box {
  const inner =
    textWidth(members.flatMap((member) => [member.title, member.detail, ...member.services.map(serviceText)])) +
    3 * padding
  const width = Math.max(inner + 2 * padding, textWidth([title, detail]) + 2 * padding)
  const height = members.reduce(
    (sum, member) => sum + memberHeight(member) + padding,
    lineHeight * titleLines + padding,
  )
  return { x: 0, y: 0, width, height }
}

function layerBox(group: Group, position: Position): LayerBox {
  const { width, height } = sizeOf(group)
  let y = position.y + lineHeight * titleLines + padding
  const hosts = group.members.map((member): HostBox => {
    const box = { x: position.x + padding, y, width: width - 2 * padding, height: memberHeight(member) }
    const rows = member.services.map((service, index) => ({
      service,
      text: serviceText(service),
      y: box.y + lineHeight * (titleLines + index + 0.5),
    }))
    y += box.height + padding
    return { ...box, hosts: member.hosts, title: member.title, detail: member.detail, rows }
  })
  return { ...position, width, height, title: group.title, detail: group.detail, hosts }
}
