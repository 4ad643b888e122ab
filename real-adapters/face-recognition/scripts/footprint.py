#!/usr/bin/env python3
"""Measures how soon faas-lab-face is ready and how much memory it holds, with and without the models.

Usage: footprint.py PROGRAM PHOTO... (FACE_MODELS names the models if they are not where fetch-models puts them.)
Ends with 1 where a limit is not kept: 100 ms and 300 ms of CPU time from start to ready, 60 MB when warm.
"""

import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import time

STARTS, ROUNDS = 15, 5


class Function:
    def __init__(self, program, environment):
        began = time.perf_counter()
        command = [program, "--address", "127.0.0.1", "--port", "0"]
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        self.wall = (time.perf_counter() - began) * 1e3
        self.address = line.split("listening on ")[1].split(";")[0]
        self.recognizes = "recognition is ready" in line
        # On Linux in nanoseconds: what the threads of the process ran.
        self.cpu = sum(self.ran(task) for task in os.listdir(f"/proc/{self.process.pid}/task")) / 1e6

    def ran(self, task):
        with open(f"/proc/{self.process.pid}/task/{task}/schedstat") as file:
            return int(file.read().split()[0])

    def memory(self):
        """Now and at most, in MB."""
        with open(f"/proc/{self.process.pid}/status") as file:
            fields = dict(line.split(":", 1) for line in file)
        return [int(fields[name].split()[0]) * 1024 / 1e6 for name in ("VmRSS", "VmHWM")]

    def post(self, photo):
        connection = http.client.HTTPConnection(self.address, timeout=120)
        path = "/?descriptor=true" if self.recognizes else "/"
        connection.request("POST", path, photo)
        answer = connection.getresponse()
        if answer.status != 200:
            sys.exit(f"{answer.status}: {answer.read().decode()}")
        answer.read()

    def end(self):
        self.process.terminate()
        self.process.wait()


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    program, photos = sys.argv[1], [open(path, "rb").read() for path in sys.argv[2:]]
    print("| | start to ready: CPU ms | ms | memory when warm: MB | at most |")
    print("| --- | --- | --- | --- | --- |")
    kept = True
    with tempfile.TemporaryDirectory() as empty:
        plain = {"PATH": os.environ["PATH"], "FACE_MODELS": empty, "FACE_PEOPLE": empty}
        models = {name: os.environ[name] for name in ("HOME", "XDG_DATA_HOME", "FACE_MODELS") if name in os.environ}
        with_models = {"PATH": os.environ["PATH"], "FACE_PEOPLE": empty, **models}
        for title, environment, ready in [("detection only", plain, 100), ("with recognition", with_models, 300)]:
            starts = []
            for _ in range(STARTS):
                function = Function(program, environment)
                starts.append((function.cpu, function.wall))
                function.end()
            function = Function(program, environment)
            if function.recognizes != (ready == 300):
                sys.exit("the models are not installed: faas-lab-face fetch-models")
            for photo in photos * ROUNDS:
                function.post(photo)
            warm, most = function.memory()
            function.end()
            cpu, wall = (statistics.median(column) for column in zip(*starts))
            print(f"| {title} | {cpu:.0f} | {wall:.0f} | {warm:.0f} | {most:.0f} |")
            kept &= cpu <= ready and warm <= 60
    sys.exit(0 if kept else 1)


main()
