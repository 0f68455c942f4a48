"""Starts a process without an owner: `python -I launch.py PIDFILE LOGFILE PROGRAM ARGUMENT…`.

The pid file is written by the new process itself, before it becomes PROGRAM: there is no
moment at which a killed starter leaves a process that no pid file names. The process gets
init as its parent, so it never waits as a zombie for a caller that is busy elsewhere.
"""

import os
import sys
from pathlib import Path


def main() -> None:
    """Fork, and become PROGRAM in the child; the caller returns when the pid file exists."""
    pid_file, log_file, *argv = sys.argv[1:]
    written, ready = os.pipe()
    if os.fork() != 0:
        os.close(ready)
        os.read(written, 1)  # ends when the child wrote its pid file and called exec
        os._exit(0)
    os.setsid()
    # Field 22 of proc(5)'s stat, counted after the name in parentheses: the start time.
    started = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    partial = Path(f"{pid_file}.partial")
    partial.write_text(f"{os.getpid()} {started}\n")
    partial.rename(pid_file)
    log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.execv(argv[0], argv)


if __name__ == "__main__":
    main()
