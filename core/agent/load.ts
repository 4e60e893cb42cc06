/** Measures the load of the host: CPU, memory, and processes that are ready to run. */
import { readFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'

interface Load {
  readonly cpu: number
  readonly memory: number
  readonly load1: number
}

interface CpuTimes {
  readonly busy: number
  readonly total: number
}

/** Measures the CPU between two calls. */
export class LoadMeter {
  private last = cpuTimes()

  read(): Load {
    const now = cpuTimes()
    const total = now.total - this.last.total
    const cpu = total > 0 ? ((now.busy - this.last.busy) / total) * 100 : 0
    this.last = now
    return { cpu: rounded(cpu), memory: rounded(memoryInUse()), load1: loadavg()[0] ?? 0 }
  }
}

const rounded = (value: number) => Math.round(value * 10) / 10

function cpuTimes(): CpuTimes {
  let [busy, total] = [0, 0]
  for (const { times } of cpus()) {
    const all = times.user + times.nice + times.sys + times.idle + times.irq
    total += all
    busy += all - times.idle
  }
  return { busy, total }
}

/** Returns the memory that is not available to programs, in percent. */
function memoryInUse(): number {
  const text = readFileSync('/proc/meminfo', 'utf8')
  const value = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0)
  const total = value('MemTotal')
  return total > 0 ? (1 - value('MemAvailable') / total) * 100 : 0
}
