/** Renders the part of rsyslog's configuration that watches log files and sends all messages to a server. */
import { rsyslogText } from '../../core/text/rsyslog.ts'
import type { SiteNode } from '../node.ts'
import { AttributeWriter } from '../site/attribute_writer.ts'

type Settings = SiteNode['papertrail']

/** @param files tags by path */
export function renderForwarding(settings: Settings, files: ReadonlyMap<string, string>): string {
  const values = new AttributeWriter()
  const text = (key: string, value: string) => values.writtenLine(`papertrail.${key}`, value, rsyslogText)
  const name =
    settings.hostname_name === ''
      ? 'property(name="hostname")'
      : `constant(value=${text('hostname_name', settings.hostname_name)})`
  const inputs = [...files].map(
    ([path, tag]) =>
      `input(type="imfile" File=${text(`watch_files.${path}`, path)} Tag=${text(`watch_files.${path}`, `${tag}:`)} Facility="local7" reopenOnTruncate="on" Ruleset="converge-papertrail")`,
  )
  const content = `# Written by converge, changes are overwritten.
module(load="imfile")

template(name="converge-papertrail" type="list") {
    constant(value="<")
    property(name="pri")
    constant(value=">")
    property(name="timestamp" dateFormat="rfc3339")
    constant(value=" ")
    ${name}
    constant(value=" ")
    property(name="syslogtag" position.from="1" position.to="32")
    property(name="msg" spifno1stsp="on")
    property(name="msg")
}

ruleset(name="converge-papertrail") {
    action(
        type="omfwd"
        Template="converge-papertrail"
        Target=${text('remote_host', settings.remote_host)}
        Port="${settings.remote_port}"
        Protocol="tcp"
        StreamDriver="gtls"
        StreamDriverMode="1"
        StreamDriverAuthMode="x509/name"
        StreamDriverPermittedPeers=${text('permitted_peer', settings.permitted_peer)}
        StreamDriver.CAFile=${text('cert_file', settings.cert_file)}
        action.resumeRetryCount="${settings.resume_retry_count}"
        action.resumeInterval="10"
        queue.type="LinkedList"
        queue.size="${settings.queue_size}"
        queue.fileName=${text('queue_file_name', settings.queue_file_name)}
        queue.spoolDirectory="/var/spool/rsyslog"
        queue.maxDiskSpace="${settings.queue_disk_space}"
        queue.saveOnShutdown="on"
        queue.timeoutEnqueue="0"
    )
}

call converge-papertrail
${inputs.map((input) => `${input}\n`).join('')}`
  values.check()
  return content
}
