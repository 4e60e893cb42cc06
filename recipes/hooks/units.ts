/** Renders the systemd units by which a host runs its lifecycle events automatically. */
import type { HookOptions } from '../../core/cli/catalogue.ts'
import { shellWords } from '../../core/text/shell.ts'
import { systemdCommand, systemdPath } from '../../core/text/systemd.ts'

export const unitDirectory = '/etc/systemd/system'
export const setupUnit = 'converge-setup.service'
export const configureUnit = 'converge-configure.service'
export const configureTimer = 'converge-configure.timer'
export const shutdownUnit = 'converge-shutdown.service'

/** Returns each unit with its text, and the target that starts it at boot; the timer starts `configure`. */
export function units(
  options: HookOptions,
): { readonly name: string; readonly text: string; readonly wantedBy?: string }[] {
  return [
    { name: setupUnit, text: setup(options), wantedBy: 'multi-user.target' },
    { name: configureUnit, text: configure(options) },
    { name: configureTimer, text: timer(options), wantedBy: 'timers.target' },
    { name: shutdownUnit, text: shutdown(options), wantedBy: 'multi-user.target' },
  ]
}

/** The units that a run depends on: the network, and the system's supervisor that roles may use. */
const network = 'network-online.target nss-lookup.target supervisor.service'
const services = `${network} nginx.service varnish.service haproxy.service`

/** The setting that sends a stop to converge alone, which finishes its step; its supervisord must outlive the run. */
const stopSettings = ({ prefixed }: HookOptions) => `KillMode=${prefixed ? 'process' : 'mixed'}
TimeoutStartSec=2h
TimeoutStopSec=5min`

const head = '# Written by converge hooks install, which overwrites changes.'

/** Renders the unit of setup: it runs once, and again at the next boot after a failure; the boot waits for it. */
function setup(options: HookOptions): string {
  const { commands, stamp } = options
  return `${head}
[Unit]
Description=Bring this host to the state its roles declare, at its first boot
Wants=network-online.target
After=${services}
Before=multi-user.target
ConditionPathExists=!${systemdPath(stamp)}
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart=${systemdCommand(commands.setup)}
ExecStartPost=${systemdCommand(['/usr/bin/touch', stamp])}
Restart=on-failure
RestartSec=1min
# Wrong usage or attributes: it would fail again.
RestartPreventExitStatus=2
${stopSettings(options)}

[Install]
WantedBy=multi-user.target
`
}

function configure(options: HookOptions): string {
  return `${head}
[Unit]
Description=Adapt this host to its stack
Wants=network-online.target
After=${services} ${setupUnit}

[Service]
Type=oneshot
ExecStart=${systemdCommand(options.commands.configure)}
${stopSettings(options)}
`
}

function timer({ interval, jitter }: HookOptions): string {
  return `${head}
[Unit]
Description=Adapt this host to its stack, every ${interval} s

[Timer]
OnActiveSec=${interval}s
OnUnitInactiveSec=${interval}s
# Not all hosts at once.
RandomizedDelaySec=${jitter}s
AccuracySec=1s

[Install]
WantedBy=timers.target
`
}

/**
 * Renders the unit of shutdown. Its start at boot does nothing. systemd stops it after runs in progress, and before the
 * units that it starts after, so that network and supervisor still run. These do not include nginx and the like: a role
 * stops them with systemd, which would make them wait for this unit. Its stop acts only when the host goes down:
 * a manual stop stops no site.
 */
function shutdown({ commands }: HookOptions): string {
  const script = `[ "$(systemctl is-system-running)" = stopping ] || exit 0; exec ${shellWords(commands.shutdown)}`
  return `${head}
[Unit]
Description=Stop the services of this host's roles before it goes down
Wants=network-online.target
After=${network}
Before=${setupUnit} ${configureUnit}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=${systemdCommand(['/bin/sh', '-c', script])}
TimeoutStopSec=5min

[Install]
WantedBy=multi-user.target
`
}
