"""`streamd serve` on one configuration after another, each in a process of its own, without loading it anew each time.

What a daemon is made of takes a second to load, and most of what is wrong with its input it finds in a tenth of that.
So one process loads it, and each daemon is forked of that one: it reads its file, opens and serves as any other.
"""

import os
import subprocess
import sys

LOADED = """
import os, sys
import streamd.serve, streamd.infer.onnxruntime
from streamd.cli import main

for line in iter(sys.stdin.readline, ""):
    config, told = line.rstrip("\\n").split("\\t")
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        main(["serve", config])
        sys.exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Loaded:
    """The process that has loaded it. `close` ends it."""

    def __init__(self):
        single = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # a process that forks must have no other threads
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            [sys.executable, "-c", LOADED], stdin=pipe, stdout=pipe, text=True, bufsize=1, env=single
        )

    def serve(self, config, told):
        """Serve a configuration to its end, what it says written to the file `told`; return its exit code."""
        self._process.stdin.write(f"{config}\t{told}\n")
        return int(self._process.stdout.readline())

    def close(self):
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()
