/** The PATH of commands that do not have the one of the operator: those of another account, and those of cron. */
export const securePath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
