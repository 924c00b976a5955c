"""
A process that has imported torch, and runs the program in forks of itself.

Importing torch takes two seconds, and these tests start the program some hundred
times. A fork is a process like any other, with its own folder, environment, files,
signals and exit code; it shares nothing but the imports that are done.

Each line of stdin asks for a run, each line of stdout is the exit code of one.
"""

import atexit
import contextlib
import gc
import io
import json
import os
import resource
import signal
import sys
import time
import traceback
import warnings

LIMIT_S = 120
"""A run that takes longer hangs, and ends by SIGALRM."""


def become(request):
    """Be the program from now on. Returns its exit code."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if request[name] is None:  # as some launchers start a process
            os.close(descriptor)
            setattr(sys, name, None)
            continue
        writes = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        file = os.open(request[name], writes if descriptor else os.O_RDONLY)
        os.dup2(file, descriptor)
        os.close(file)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["textgen", *request["arguments"]]
    warnings.simplefilter("error")
    signal.alarm(LIMIT_S)
    if "gate" in request:  # somebody wants to look on from here
        _wait_at(request["gate"])
    if "TESTS_DO_NOT_WAIT" in os.environ:  # a client waits between its tries
        time.sleep = lambda seconds: None

    from lstm_textgen import cli

    if request.get("memory_bytes"):
        _limit_memory(request["memory_bytes"])
    cli.STARTED_S = time.monotonic()
    try:
        cli.run()
    except SystemExit as end:
        return end.code
    except BaseException:
        traceback.print_exc()
    return 1


def _wait_at(gate):
    """Write our number beside a FIFO, and wait until it is opened and closed."""
    with open(f"{gate}.new", "w", encoding="ascii") as file:
        file.write(str(os.getpid()))
    os.rename(f"{gate}.new", f"{gate}.pid")
    with open(gate, "rb") as file:
        file.read()


def _limit_memory(more_bytes):
    """Give no more than this beyond what the process has now, as `ulimit -v` does."""
    with open("/proc/self/statm", encoding="ascii") as file:
        pages = int(file.read().split()[0])
    most = pages * resource.getpagesize() + more_bytes
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def leave(code):
    """End as Python does, without taking apart what was imported: that takes long."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code)


def serve():
    import lstm_textgen.cli
    import lstm_textgen.cli.sample_run
    import lstm_textgen.corpora.install
    import lstm_textgen.evaluation.perplexity
    import lstm_textgen.hub.push
    import lstm_textgen.inspect.heatmap_svg
    import lstm_textgen.inspect.page
    import lstm_textgen.ui.progress
    import lstm_textgen.ui.run_view
    import lstm_textgen.ui.table

    # not the hub's client: it reads the environment when it is imported
    with contextlib.suppress(ImportError):
        import httpx2  # noqa: F401
        import yaml  # noqa: F401

    sys.argv = ["textgen", "info", "nowhere"]
    with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()):
        lstm_textgen.cli.run()  # for what is imported when options are read

    gc.freeze()  # or every fork would copy what it looks through for garbage
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            leave(become(json.loads(line)))
        _, status = os.waitpid(child, 0)
        os.write(1, b"%d\n" % os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    serve()
