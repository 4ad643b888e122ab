"""The README's commands, run as a reader would run them, and its figures, found again in what they print.

    readme.py --test-command            prints the command that runs the tests
    readme.py --run FOLDER [OUTPUT …]   runs all others in FOLDER; figures may also come from the OUTPUT files

A block of sh is run as it stands. `<!-- exit 1 -->` on the line above says what its last command must exit with;
`<!-- stays -->`, that it runs until Ctrl-C: the blocks after it find it up, and in the end it must leave with 0.
A figure is anything like `4.9 ± 0.6 %`.
"""

import os
import pathlib
import re
import signal
import subprocess
import sys

README = pathlib.Path(__file__).parent.parent / "README.md"
BLOCK = re.compile(r"(?:<!-- (?:exit (\d+)|(stays)) -->\n)?```sh\n(.*?)```", re.DOTALL)
FIGURE = re.compile(r"\d+(?:\.\d+)? ± \d+(?:\.\d+)?(?: %)?")


def blocks():
    """Each block with the exit code it must have and whether it stays."""
    return [(int(code or 0), bool(stays), text.strip()) for code, stays, text in BLOCK.findall(README.read_text())]


def test_command():
    commands = [text for _, _, text in blocks() if text.startswith("cargo test")]
    if len(commands) != 1:
        sys.exit(f"the README has {len(commands)} test commands")
    return commands[0]


def start(text, folder):
    """Starts what stays, and waits until it says that it is up."""
    state = {**os.environ, "XDG_STATE_HOME": os.path.join(os.path.abspath(folder), "state")}
    process = subprocess.Popen(
        ["bash", "-c", f"exec {text}"], cwd=folder, env=state, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    for line in process.stdout:
        print(line, end="", flush=True)
        if " is up" in line:
            return process
    sys.exit(f"{text} ended before it was up")


def run(folder, printed):
    tests, wrong, staying = test_command(), 0, []
    for expected, stays, text in blocks():
        if text == tests:
            continue
        print(f"$ {text}", flush=True)
        if stays:
            staying.append(start(text, folder))
            continue
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=folder, capture_output=True, text=True)
        printed += done.stdout
        if done.returncode != expected:
            wrong += 1
            print(f"exit code {done.returncode}, expected {expected}\n{done.stdout}{done.stderr}")
    for process in staying:
        os.killpg(process.pid, signal.SIGINT)
        process.stdout.read()
        if process.wait(timeout=60) != 0:
            wrong += 1
            print(f"{process.args}: exit code {process.returncode} after Ctrl-C")

    def one_line(text):
        return " ".join(text.split())

    known = one_line(printed)
    for figure in FIGURE.findall(one_line(README.read_text())):
        if figure not in known:
            wrong += 1
            print(f"the README says {figure}, but no command prints it")
    return wrong


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--test-command"]:
            print(test_command())
        case ["--run", folder, *outputs]:
            sys.exit(1 if run(folder, "\n".join(pathlib.Path(path).read_text() for path in outputs)) else 0)
        case _:
            sys.exit(__doc__)
