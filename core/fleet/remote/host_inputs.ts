/** Builds the files that a host receives for a run: the documents of its node JSON, and the secrets in them. */
import { type Origins, originsFile, originsOf } from '../../node/origins.ts'
import type { HostDocument } from '../host_client.ts'
import type { PackedFile, PackedFiles } from './packed_directory.ts'

/** Returns the path of a document: those of the stack are for `--node-json`, the rest for `--config-dir`. */
function documentPath({ kind, name }: HostDocument, at: number): string {
  if (at === 0) return 'node.json'
  return `${kind === 'stack' ? 'stack' : 'custom'}/${String(at).padStart(3, '0')}-${slug(name)}.json`
}

/**
 * Builds the files of a run.
 * @param secrets texts to mask; the host receives only those that occur in its documents
 */
export function inputFiles(documents: readonly HostDocument[], secrets: readonly string[]): PackedFiles {
  const files: [string, PackedFile][] = documents.map((document, at) => [
    documentPath(document, at),
    jsonFile(document.value),
  ])
  const hidden = textsOccurringIn(
    documents.map(({ value }) => value),
    new Set(secrets),
  )
  const origins = Object.fromEntries(
    documents.map((document, at) => [documentPath(document, at), knownOrigins(document)]),
  )
  // The directory is created in any case: without `--config-dir`, the host would read its own files in /etc/converge.
  return new Map([
    ...files,
    [`custom/${originsFile}`, { content: Buffer.from(`${JSON.stringify(origins)}\n`), mode: 0o600 }],
    ['secrets.json', jsonFile(hidden)],
  ])
}

/**
 * Returns the options by which the host reads these files.
 * @param directory where the files are on the host
 */
export function inputFileArguments(documents: readonly HostDocument[], directory: string): string[] {
  const paths = documents.map(documentPath).filter((path) => !path.startsWith('custom/'))
  return [
    ...paths.flatMap((path) => ['--node-json', `${directory}/${path}`]),
    '--config-dir',
    `${directory}/custom`,
    '--secrets',
    `${directory}/secrets.json`,
  ]
}

function jsonFile(value: unknown): PackedFile {
  return { content: Buffer.from(`${JSON.stringify(value, null, 1)}\n`), mode: 0o600 }
}

const originsByDocument = new WeakMap<HostDocument, Origins>()

/** Returns the origins of a document; computed once, because all hosts of a stack or a layer share its documents. */
function knownOrigins(document: HostDocument): Origins {
  const origins = originsByDocument.get(document) ?? originsOf(document)
  originsByDocument.set(document, origins)
  return origins
}

/** Returns those of the texts that occur anywhere in a value, in the order of their occurrence. */
function textsOccurringIn(value: unknown, texts: ReadonlySet<string>): string[] {
  const found = new Set<string>()
  const visit = (at: unknown): void => {
    if (typeof at === 'string' && texts.has(at)) found.add(at)
    else if (typeof at === 'object' && at !== null) for (const child of Object.values(at)) visit(child)
  }
  visit(value)
  return [...found]
}

function slug(name: string): string {
  return (
    name
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-|-$/g, '')
      .slice(0, 40) || 'document'
  )
}
