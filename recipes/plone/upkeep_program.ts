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
import configparser, datetime, fcntl, gzip, io, json, os, re, shutil, stat, subprocess, sys, tarfile, tempfile, time

HERE = os.path.dirname(os.path.realpath(__file__))
LONGEST = 16 << 20
LONGEST_LINE = 128 << 10
STAMP = '%Y-%m-%d-%H-%M-%S'
DATABASE_BACKUP = re.compile(r'(\d{4}(?:-\d\d){5})\.(delta)?fsz?$')
BLOB_BACKUP = re.compile(r'[^.].*?\.(\d{4}(?:-\d\d){5}|\d+)(\.tar|\.tar\.gz)?$')
DATABASE_PROGRAM = ${JSON.stringify(databaseProgram)}


class Failure(Exception):
    pass


def open_regular(path, mode='r'):
    """Opens a regular file. Another one, such as a named pipe, could block the run for ever."""
    flags = {'r': os.O_RDONLY, 'w': os.O_WRONLY | os.O_CREAT, 'a': os.O_WRONLY | os.O_CREAT | os.O_APPEND}[mode]
    handle = os.open(path, flags | os.O_NONBLOCK, 0o666)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Failure('%s is not a regular file' % path)
    if mode == 'w':
        os.ftruncate(handle, 0)
    return io.open(handle, mode, encoding='utf-8', errors='replace')


def text_of(path):
    with open_regular(path) as stream:
        text = stream.read(LONGEST + 1)
    if len(text) > LONGEST:
        raise Failure('%s has more than %d MB' % (path, LONGEST >> 20))
    return text


try:
    SETTINGS = json.loads(text_of(os.path.join(HERE, 'upkeep.json')))
    CURRENT = SETTINGS['current']
except (Failure, OSError, ValueError, LookupError, TypeError) as error:
    sys.exit('cannot read the settings of the jobs: %s' % error)


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def say(text):
    print(text, flush=True)


def record(job, started, status, error, **more):
    ended = now().isoformat(timespec='seconds')
    what = dict(job=job, started=started, ended=ended, status=status, error=error[-2000:], **more)
    path = os.path.join(HERE, job + '.json')
    with open_regular(path + '.new', 'w') as stream:
        json.dump(what, stream)
    os.rename(path + '.new', path)


def locked(job):
    handle = open_regular(os.path.join(HERE, job + '.lock'), 'w')
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
    for line in iter(lambda: child.stdout.readline(LONGEST_LINE), b''):
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
except (Failure, OSError) as error:
    sys.exit(str(error))
except Exception as error:
    sys.exit('%s: %s' % (type(error).__name__, error))
`
