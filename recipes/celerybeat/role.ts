/** Defines the role celerybeat, for the one host that schedules Celery's periodic tasks. */
import { role } from '../../core/compile/role.ts'
import zeoClient from '../zeo_client/role.ts'

export default role('celerybeat', {
  doc: "Beside zeo-client, on one host only: runs the scheduler of Celery's periodic tasks",
  attributes: { plone_instances: { celerybeat: true } },
  extends: zeoClient,
})
