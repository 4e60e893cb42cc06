/** Draws a stack as SVG: the connections between services, from the visitors inwards, for light and dark pages. */
import { type Box, type HostBox, lineHeight, type OutsideBox, type Picture, pictureOf, type Row } from './layout.ts'
import type { HostServices } from './services.ts'
import type { Stack } from './stack.ts'

const style = `
    text { font: 12px system-ui, 'DejaVu Sans', sans-serif; fill: #1f2933; }
    .page { fill: #ffffff; }
    .layer { fill: #f2f4f7; stroke: #c5ccd3; }
    .host { fill: #ffffff; stroke: #8b96a1; }
    .outside { fill: none; stroke: #8b96a1; stroke-dasharray: 4 3; }
    .name { font-weight: 600; }
    .dim { fill: #5a6672; font-size: 11px; }
    .arrow { fill: none; stroke: #3a6ea8; stroke-width: 1.3; }
    .own { stroke: #8b96a1; }
    .head { fill: #3a6ea8; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e4e9ee; }
      .page { fill: #14181d; }
      .layer { fill: #1c2229; stroke: #3a444e; }
      .host { fill: #252c34; stroke: #66727f; }
      .outside { stroke: #66727f; }
      .dim { fill: #9ba8b5; }
      .arrow { stroke: #7fb0e2; }
      .own { stroke: #66727f; }
      .head { fill: #7fb0e2; }
    }`

/** @returns the text of an SVG file */
export function graphOf(stack: Stack, services: readonly HostServices[]): string {
  const picture = pictureOf(stack, services)
  const { width, height, layers, visitors, outside } = picture
  const title = `${stack.name}${stack.environment === null ? '' : ` (${stack.environment})`}: who talks to whom`
  const parts = [
    `<rect class="page" width="${round(width)}" height="${round(height)}"/>`,
    ...layers.map((layer) => rect('layer', layer)),
    ...arrows(picture),
    ...layers.flatMap((layer) => [
      text('name', layer.x + 12, layer.y + lineHeight * 0.9, layer.title),
      text('dim', layer.x + 12, layer.y + lineHeight * 1.8, layer.detail),
    ]),
    ...layers.flatMap(({ hosts }) => hosts.flatMap(hostParts)),
    ...[...outside, ...(visitors === null ? [] : [visitors])].flatMap(outsideParts),
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${round(width)} ${round(height)}" width="${round(width)}" height="${round(height)}" role="img">
  <title>${escapeHtml(title)}</title>
  <style>${style}
  </style>
  <defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="head" d="M0 0 L8 4 L0 8 Z"/></marker></defs>
  ${parts.join('\n  ')}
</svg>
`
}

function hostParts(host: HostBox): string[] {
  return [
    rect('host', host),
    text('name', host.x + 10, host.y + lineHeight * 0.95, host.title),
    text('dim', host.x + 10, host.y + lineHeight * 1.75, host.detail),
    ...host.rows.map((row) => text('', host.x + 18, row.y + 4, row.text)),
    ...innerArrows(host),
  ]
}

/** Draws connections between the services of one host, as a bracket at their left. */
function innerArrows({ x, rows }: HostBox): string[] {
  return rows.flatMap((row, index) => {
    const next = rows[index + 1]
    const asks = next?.service.ports.some((port) => row.service.asks.includes(`localhost:${port}`))
    if (next === undefined || !asks) return []
    return [`<path class="arrow own" d="M${round(x + 14)} ${round(row.y)} h-5 V${round(next.y)} h5"/>`]
  })
}

function outsideParts(box: OutsideBox): string[] {
  return [
    `<rect class="outside" rx="10" ${sides(box)}/>`,
    text('name', box.x + 12, box.y + lineHeight, box.title),
    ...box.lines.map((one, index) => text('dim', box.x + 12, box.y + lineHeight * (2 + index), one)),
  ]
}

/** Draws the connections between hosts; a box of several hosts gets one arrow. */
function arrows({ layers, visitors, outside, arrows: all }: Picture): string[] {
  const hosts = layers.flatMap((layer) => layer.hosts)
  const boxOf = (name: string) => hosts.find((box) => box.hosts.includes(name))
  const rowOf = (box: HostBox | undefined, role: string | undefined, name: string | undefined) =>
    box?.rows.find(({ service }) => service.role === role && service.name === name)
  const drawn = all.flatMap(({ from, to }) => {
    const start = boxOf(from.host)
    const row = rowOf(start, from.service.role, from.service.name)
    if (start === undefined || row === undefined) return []
    if ('outside' in to) {
      const box = outside.find(({ title }) => title === to.outside)
      return box ? [curve(start, row.y, box, middle(box))] : []
    }
    const end = boxOf(to.host)
    if (end === undefined || end === start) return []
    return [curve(start, row.y, end, rowOf(end, to.service?.role, to.service?.name)?.y ?? end.y + lineHeight)]
  })
  const visitedRows = (box: HostBox): readonly Row[] => box.rows.filter(({ service }) => service.isVisited)
  const ways =
    visitors === null
      ? []
      : hosts.flatMap((box) => visitedRows(box).map(({ y }) => curve(visitors, middle(visitors), box, y)))
  return [...new Set([...ways, ...drawn])]
}

/**
 * Draws a curve from the right side of a box to the left side of another, or to its right side where that is not
 * further right.
 */
function curve(from: Box, fromY: number, to: Box, toY: number): string {
  const start = from.x + from.width
  const onwards = to.x > start
  const end = onwards ? to.x : to.x + to.width
  const bend = onwards ? Math.max(30, (end - start) / 2) : 50
  const [x1, x2] = [Math.max(start, onwards ? start : end), end]
  const path = `M${round(start)} ${round(fromY)} C${round(x1 + bend)} ${round(fromY)} ${round(onwards ? x2 - bend : x1 + bend)} ${round(toY)} ${round(x2)} ${round(toY)}`
  return `<path class="arrow" d="${path}" marker-end="url(#head)"/>`
}

function middle({ y, height }: Box): number {
  return y + height / 2
}

function rect(kind: string, box: Box): string {
  return `<rect class="${kind}" rx="6" ${sides(box)}/>`
}

function sides({ x, y, width, height }: Box): string {
  return `x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}"`
}

function text(kind: string, x: number, y: number, content: string): string {
  const named = kind === '' ? '' : ` class="${kind}"`
  return content === '' ? '' : `<text${named} x="${round(x)}" y="${round(y)}">${escapeHtml(content)}</text>`
}

/** Escapes text for XML, which cannot contain control characters in any spelling. */
function escapeHtml(content: string): string {
  return content
    .replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}

function round(number: number): number {
  return Math.round(number * 10) / 10
}
