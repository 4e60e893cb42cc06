/** Secrets that a test plants and searches for: each has marks that no writer changes, at its beginning and at its end. */
import * as fs from 'node:fs'
import { dirname, join } from 'node:path'

/** A text that holds a planted secret, and which of them. */
export interface Leak {
  readonly where: string
  readonly secret: string
  /** What stands around it. */
  readonly excerpt: string
}

interface Planted {
  readonly name: string
  /** What betrays it, or a part of it: as it is, in base64 and in hexadecimal. */
  readonly marks: readonly string[]
}

export class PlantedSecrets {
  private readonly planted: Planted[] = []

  get count(): number {
    return this.planted.length
  }

  /**
   * Makes a secret.
   * @param name where it is planted
   * @param shape stands in the middle of the value; each `@` in it is replaced by a mark
   */
  make(name: string, shape = ''): string {
    const id = `${this.planted.length + 10}`
    const [head, middle, tail] = [`Hq${id}zXv`, `Mq${id}zXv`, `Tq${id}zXv`]
    this.planted.push({ name, marks: [head, middle, tail].flatMap(spellingsOf) })
    return `${head}${shape.replaceAll('@', middle)}${shape.endsWith('|') ? '' : tail}`.replace(/\|$/, '')
  }

  /** Makes a secret as it is, such as a short one; it must be found nowhere else. */
  exact(name: string, value: string): string {
    this.planted.push({ name, marks: [value] })
    return value
  }

  leaks(where: string, text: string): Leak[] {
    return this.planted.flatMap(({ name, marks }) => {
      const at = marks.map((mark) => text.indexOf(mark)).find((index) => index >= 0)
      if (at === undefined) return []
      return [{ where, secret: name, excerpt: text.slice(Math.max(0, at - 60), at + 60) }]
    })
  }

  /** The leaks in all files below a directory. */
  leaksBelow(directory: string, accept: (path: string) => boolean = () => true): Leak[] {
    return filesBelow(directory).flatMap((path) =>
      accept(path) ? this.leaks(path, fs.readFileSync(path, 'latin1')) : [],
    )
  }
}

/** Whether an account other than owner and group can read a file; directories outside of `top` count as open. */
export function isReadableByOthers(path: string, top: string): boolean {
  if ((fs.lstatSync(path).mode & 0o004) === 0) return false
  for (let above = dirname(path); above.length >= top.length; above = dirname(above))
    if ((fs.lstatSync(above).mode & 0o001) === 0) return false
  return true
}

function filesBelow(directory: string): string[] {
  if (!fs.existsSync(directory)) return []
  return fs
    .readdirSync(directory, { recursive: true, withFileTypes: true })
    .flatMap((entry) => (entry.isFile() ? [join(entry.parentPath, entry.name)] : []))
}

function spellingsOf(mark: string): string[] {
  const bytes = Buffer.from(mark)
  // Wherever it stands in an encoded text; the characters at the ends hold bits of the neighbours.
  const encoded = [0, 1, 2].map((shift) =>
    Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .slice(shift + (shift > 0 ? 1 : 0), Math.floor(((shift + bytes.length) * 8) / 6)),
  )
  return [mark, ...encoded, bytes.toString('hex'), encodeURIComponent(mark)]
}
