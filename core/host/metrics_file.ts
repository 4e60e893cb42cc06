/** Writes the metrics of the last run to the file that the node exporter reads, if the host has the directory for it. */
import * as fs from 'node:fs'
import { metricsDirectory, metricsFile } from '../model/run_metrics.ts'
import { replaceFile } from './replace_file.ts'

/** Decides whether the directory is there, and only root can write to it. */
export function hasMetricsDirectory(): boolean {
  const found = fs.lstatSync(metricsDirectory, { throwIfNoEntry: false })
  return found?.isDirectory() === true && found.uid === 0 && (found.mode & 0o022) === 0
}

/** Replaces the file in one step, so that the exporter never reads a half of it. */
export function writeMetrics(text: string): void {
  // The exporter reads names that end with .prom only. Runs have the lock, so there is no other writer.
  replaceFile(metricsFile, text, { mode: 0o644, temporary: `${metricsFile}.tmp` })
  // The umask may have withheld the right to read it.
  fs.chmodSync(metricsFile, 0o644)
}
