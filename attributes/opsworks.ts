/** Defines the schema of the stack as OpsWorks described it to each host: this host, the layers and their hosts. */
import * as z from 'zod'
import { field, group, keyed, list, map, mapKey, orNull, shape } from './fields.ts'
import { hostAddress, line } from './texts.ts'
import { flag, number } from './values.ts'

const hostFields = () => ({
  private_ip: field(orNull(hostAddress()), null, 'Address inside the network.'),
  private_dns_name: field(orNull(line()), null, 'Name inside the network; used if there is no public name.'),
  public_dns_name: field(
    orNull(line()),
    null,
    'Public name. If it is set, most other hosts use it as the address of this host.',
  ),
  ip: field(orNull(hostAddress()), null, 'Public address.'),
  availability_zone: field(orNull(line()), null, 'Data centre the host is in.'),
  instance_type: field(orNull(line()), null, 'Size of the host, as its provider names it.'),
  status: field(line(), 'online', 'State of the host. Other hosts use only hosts that are `online`.'),
  backends: field(
    orNull(number(0)),
    null,
    'Compute units of OpsWorks, eight for each CPU. If null or 0, converge counts the CPUs.',
  ),
})

const instance = () =>
  group(
    'The host this runs on.',
    {
      hostname: field(
        line(),
        '',
        'Short name; default: the host name of the system, if the JSON has no `opsworks.instance`.',
      ),
      layers: field(list(line()), [], 'Short names of the layers this host is in.'),
      region: field(orNull(line()), null, 'Region of the provider.'),
      ...hostFields(),
    },
    { open: true },
  )

const layerInstance = () => {
  const schema = shape({
    hostname: field(line(), '', 'Short name; default: its key in `instances`.'),
    ...hostFields(),
  })
  return z.globalRegistry.add(schema, { open: true }) && schema
}

const layer = () => {
  const instances = keyed(mapKey, layerInstance(), (host, name) => ({ ...host, hostname: host.hostname || name }))
  z.globalRegistry.add(instances, { description: 'The hosts of the layer, by name.' })
  const schema = shape({ instances: instances.prefault({}) })
  return z.globalRegistry.add(schema, { open: true }) && schema
}

const application = () => {
  const schema = shape({
    name: field(line(), '', 'Name shown to people.'),
    slug_name: field(line(), '', 'Short name, the key below `deploy`.'),
    application_type: field(line(), 'other', 'Kind of application.'),
  })
  return z.globalRegistry.add(schema, { open: true }) && schema
}

export const opsworks = () =>
  group(
    'The stack this host belongs to.',
    {
      stack: group('The stack itself.', { name: field(line(), 'default', 'Name of the stack.') }, { open: true }),
      instance: instance(),
      layers: field(map(layer()), {}, 'The layers of the stack, by short name.'),
      applications: field(list(application()), [], 'The applications of the stack.'),
      activity: field(orNull(line()), null, 'Lifecycle event the platform ran.'),
      valid_client_activities: field(list(line()), [], 'Lifecycle events the platform knows.'),
      agent_version: field(orNull(line()), null, "Version of the platform's agent."),
      deployment: field(orNull(z.unknown()), null, 'Identity of the deployment the platform ran.'),
      ruby_version: field(orNull(line()), null, 'Accepted for compatibility with OpsWorks JSON.'),
      run_cookbook_tests: field(flag(), false, 'Accepted for compatibility with OpsWorks JSON.'),
    },
    { cookbook: 'opsworks', open: true },
  )
