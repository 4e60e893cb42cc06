/**
 * The program that runs the scheduled jobs of a ZEO server or of a RelStorage database, records how each ended, and lists,
 * verifies and restores backups. cron and converge call it. It requires Python 3; the database is opened with the Python of
 * the site.
 */

import { databaseProgram } from './database_program.ts'
import { sqlUpkeepProgram } from './sql_upkeep_program.ts'
import { zodbBackupProgram } from './zodb_backup_program.ts'
import { zodbRestoreProgram } from './zodb_restore_program.ts'

export const upkeepProgram = String.raw`#!/usr/bin/env python3
"""Written by converge, changes are overwritten. Runs the jobs of a database and records how each ended."""
import configparser, datetime, fcntl, gzip, json, os, re, shutil, subprocess, sys, tarfile, tempfile, time

HERE = os.path.dirname(os.path.realpath(__file__))
with open(os.path.join(HERE, 'upkeep.json')) as stream:
    SETTINGS = json.load(stream)
CURRENT = SETTINGS['current']
STAMP = '%Y-%m-%d-%H-%M-%S'
DATABASE_BACKUP = re.compile(r'(\d{4}(?:-\d\d){5})\.(delta)?fsz?$')
BLOB_BACKUP = re.compile(r'[^.].*?\.(\d{4}(?:-\d\d){5}|\d+)(\.tar|\.tar\.gz)?$')
DATABASE_PROGRAM = ${JSON.stringify(databaseProgram)}


class Failure(Exception):
    pass


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def say(text):
    print(text, flush=True)


def record(job, started, status, error, **more):
    ended = now().isoformat(timespec='seconds')
    what = dict(job=job, started=started, ended=ended, status=status, error=error[-2000:], **more)
    path = os.path.join(HERE, job + '.json')
    with open(path + '.new', 'w') as stream:
        json.dump(what, stream)
    os.rename(path + '.new', path)


def locked(job):
    handle = open(os.path.join(HERE, job + '.lock'), 'w')
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit('another run of the job ' + job + ' is under way')
    return handle


def recorded(job, work):
    handle = locked(job)
    started = now().isoformat(timespec='seconds')
    try:
        more = work() or {}
    except (Failure, OSError, tarfile.TarError) as error:
        record(job, started, 1, str(error))
        sys.exit('%s failed: %s' % (job, error))
    except Exception as error:
        # Whatever ends a job early is a failure that status reports; the earlier record says that it succeeded.
        reason = '%s: %s' % (type(error).__name__, error)
        record(job, started, 1, reason)
        sys.exit('%s failed: %s' % (job, reason))
    record(job, started, 0, '', **more)
    handle.close()


def run(command):
    """Runs a command of /bin/sh in the current release, and prints its output."""
    child = subprocess.Popen(command, shell=True, cwd=CURRENT, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    last = []
    for line in child.stdout:
        text = line.decode('utf-8', 'replace').rstrip('\n')
        say(text)
        last = (last + [text])[-15:]
    status = child.wait()
    if status != 0:
        raise Failure('\n'.join(['%s ended with status %d' % (command, status)] + last))


${zodbBackupProgram}

${zodbRestoreProgram}

def show_list():
    where = layout()
    backups = database_backups(where)
    say(json.dumps([dict(one, blobs=blobs_of(where, backups, one)) for one in backups]))

${sqlUpkeepProgram}

def main(action, *args):
    os.umask(0o027)
    if SETTINGS.get('kind') == 'relstorage' and action != 'run':
        sql_main(action, *args)
    elif action == 'run' and args[0] == 'backup':
        back_up(args[1])
    elif action == 'run':
        recorded(args[0], lambda: run(args[1]))
    elif action == 'backup':
        back_up('bin/backup', '--full' in args)
    elif action == 'list':
        show_list()
    else:
        {'verify': verify, 'prepare': prepare, 'swap': lambda _: swap()}[action](args[0] if args else None)


try:
    main(*sys.argv[1:])
except Failure as error:
    sys.exit(str(error))
`
