#!/usr/bin/env python3
"""Runs a built kvm-unit-tests tree on aero, and on QEMU's TCG beside it, and prints a table.

Which tests there are, with how many processors and which arguments, is read from the suite's own
x86/unittests.cfg. See README.md for how to get and build the suite.
"""

import argparse
import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# The exit port turns a test's status into (status << 1) | 1.
EXIT_PASS = 0
# 77 halved, so that the program ends with 77.
EXIT_SKIP = 38

# What cannot run without hardware virtualisation or a hypervisor underneath, on either side.
LEFT_OUT_GROUPS = {"vmx", "svm", "hyperv", "nodefault"}

# Both sides show the same processor.
AERO_MODEL = "westmere"
QEMU_MODEL = "Westmere"

# Images that otherwise expect to run under KVM, which answers VMCALL and, on Intel's processors too,
# SYSCALL in compatibility mode. Given as the suite gives its environment: in the initial RAM disk.
ENVIRONMENT = "TEST_DEVICE=0\n"
WITHOUT_KVM = {"apic.flat", "syscall.flat"}

# Seconds for what takes long when the machine is busy.
SLOW = {"sieve": 600}

DEVICES = ["serial", "ps2", "hpet", "fw-cfg", "debug-exit", "test-device"]

COUNTED = re.compile(r"^\s*(PASS|FAIL|XFAIL|XPASS|SKIP): (.*?)\s*$")


class Test:
    """A section of unittests.cfg."""

    def __init__(self, name):
        self.name = name
        self.file = ""
        self.arch = None
        self.smp = 1
        self.args = ""
        self.memory = 128
        self.groups = set()
        self.accel = None
        self.timeout = 0.0
        self.needs_device = False


def read_tests(path):
    """The sections of unittests.cfg."""
    tests = []
    for line in path.read_text().splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            tests.append(Test(line[1:-1]))
            continue
        if line.startswith("#") or "=" not in line or not tests:
            continue
        key, value = (part.strip() for part in line.split("=", 1))
        test = tests[-1]
        if key == "file":
            test.file = value
        elif key == "arch":
            test.arch = value
        elif key == "smp":
            test.smp = int(value)
        elif key == "test_args":
            test.args = value.strip("'\"").replace("`date +%s`", str(int(time.time())))
        elif key == "groups":
            test.groups = set(value.split())
        elif key == "accel":
            test.accel = value
        elif key == "timeout":
            test.timeout = float(value)
        elif key in ("qemu_params", "extra_params"):
            test.memory = memory_of(value, test.memory)
            test.needs_device = "-device" in value
            match = re.search(r"-append (\"[^\"]*\"|'[^']*'|\S+)", value)
            if match:
                test.args = match.group(1).strip("'\"")
    return tests


def memory_of(params, default):
    """The MiB that `-m` asks for."""
    match = re.search(r"-m (\d+)([gGmM]?)", params)
    if not match:
        return default
    return int(match.group(1)) * (1024 if match.group(2) in ("g", "G") else 1)


def toml(text):
    """A TOML basic string is written as a JSON string is."""
    return json.dumps(str(text))


def aero_command(aero, test, image, model, folder):
    machine = folder / "machine.toml"
    modules = [toml(folder / "env")] if test.file in WITHOUT_KVM else []
    devices = "".join(f"[[device]]\ntype = {toml(name)}\n" for name in DEVICES)
    machine.write_text(
        f"[machine]\nmemory = \"{test.memory}MiB\"\non_triple_fault = \"stop\"\n"
        f"[cpu]\ncount = {test.smp}\nmodel = {toml(model)}\n"
        f"[boot]\nkernel = {toml(image)}\ncmdline = {toml(f'{image} {test.args}'.strip())}\n"
        f"modules = [{', '.join(modules)}]\n" + devices
    )
    return [aero, "run", str(machine), "--serial", "stdio"]


def qemu_command(qemu, test, image, model, folder):
    command = [qemu, "-accel", "tcg", "-M", "q35", "-cpu", model, "-m", str(test.memory)]
    command += ["-smp", str(test.smp), "-nodefaults", "-device", "pc-testdev"]
    command += ["-device", "isa-debug-exit,iobase=0xf4,iosize=0x4", "-serial", "stdio"]
    command += ["-display", "none", "-no-reboot", "-kernel", str(image)]
    command += ["-initrd", str(folder / "env")] if test.file in WITHOUT_KVM else []
    return command + (["-append", test.args] if test.args else [])


class Result:
    """What came of one run."""

    def __init__(self, text, code, seconds):
        self.text = text
        self.seconds = seconds
        self.lines = {}
        counts = dict.fromkeys(("PASS", "FAIL", "XFAIL", "XPASS", "SKIP"), 0)
        for line in text.splitlines():
            match = COUNTED.match(line)
            if match:
                counts[match.group(1)] += 1
                self.lines.setdefault(match.group(2), set()).add(match.group(1))
        self.counts = counts
        if code is None:
            self.verdict = "TIMEOUT"
        elif code < 0 or code & 1 == 0:
            self.verdict = f"CRASH {code}"
        elif code >> 1 == EXIT_PASS:
            self.verdict = "PASS"
        elif code >> 1 == EXIT_SKIP:
            self.verdict = "SKIP"
        else:
            self.verdict = "FAIL"

    def cell(self):
        bad = self.counts["FAIL"] + self.counts["XPASS"]
        return f"{self.verdict:9} {self.counts['PASS']:5}/{bad}/{self.counts['SKIP']}"

    def failures(self):
        return {name for name, kinds in self.lines.items() if kinds & {"FAIL", "XPASS"}}


def run(command, timeout):
    started = time.monotonic()
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        output, _ = process.communicate(timeout=timeout)
        code = process.returncode
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        code = None
    return Result(output.decode("utf-8", "replace"), code, time.monotonic() - started)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("suite", type=Path, help="folder with the .flat files (the built x86/)")
    parser.add_argument("--config", type=Path, help="unittests.cfg, if not in the folder")
    parser.add_argument("--aero", default="aero", help="the aero program")
    parser.add_argument("--qemu", default="qemu-system-x86_64", help="the peer, if it is there")
    parser.add_argument("--model", default=AERO_MODEL, help="aero's CPU model")
    parser.add_argument("--qemu-model", default=QEMU_MODEL, help="QEMU's CPU model")
    parser.add_argument("--arch", choices=("x86_64", "i386"), default="x86_64")
    parser.add_argument(
        "--timeout", type=float, default=90, help="seconds a test gets if the suite grants no more"
    )
    parser.add_argument("--logs", type=Path, help="folder for the output of every run")
    parser.add_argument("--only", nargs="*", default=[], help="names of tests, or parts of them")
    parser.add_argument("--no-peer", action="store_true", help="leave QEMU out")
    args = parser.parse_args()

    config = args.config or args.suite / "unittests.cfg"
    qemu = None if args.no_peer else shutil.which(args.qemu)
    if args.logs:
        args.logs.mkdir(parents=True, exist_ok=True)

    print(f"{'test':28} {'aero':25} {'qemu tcg':25} {'seconds':>15}")
    worse = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "env").write_text(ENVIRONMENT)
        for test in read_tests(config):
            if args.only and not any(part in test.name for part in args.only):
                continue
            if test.arch not in (None, args.arch) or test.accel == "kvm":
                continue
            if (test.groups & LEFT_OUT_GROUPS or test.needs_device) and not args.only:
                continue
            image = (args.suite / test.file).resolve()
            if not image.exists():
                print(f"{test.name:28} {image.name} is not built")
                continue
            commands = {"aero": aero_command(args.aero, test, image, args.model, folder)}
            if qemu:
                commands["qemu"] = qemu_command(qemu, test, image, args.qemu_model, folder)
            results = {}
            for side, command in commands.items():
                results[side] = run(command, max(args.timeout, test.timeout, SLOW.get(test.name, 0)))
                if args.logs:
                    log = args.logs / f"{test.name}.{args.arch}.{side}.log"
                    log.write_text(shlex.join(command) + "\n" + results[side].text)
            ours, theirs = results["aero"], results.get("qemu")
            cells = [ours.cell(), theirs.cell() if theirs else "-"]
            times = " / ".join(f"{r.seconds:.1f}" for r in results.values())
            mark = ""
            if theirs and is_worse(ours, theirs):
                mark = " <"
                worse.append(test.name)
            print(f"{test.name:28} {cells[0]:25} {cells[1]:25} {times:>15}{mark}", flush=True)
    if worse:
        print(f"\nQEMU does better (<): {', '.join(worse)}")
    return 1 if worse else 0


def is_worse(ours, theirs):
    """Whether something that the peer passes fails here."""
    if theirs.verdict == "PASS" and ours.verdict not in ("PASS", "SKIP"):
        return True
    passed_there = {name for name, kinds in theirs.lines.items() if kinds == {"PASS"}}
    if ours.failures() & passed_there:
        return True
    finished = ("PASS", "FAIL", "SKIP")
    return theirs.verdict in finished and ours.verdict not in finished


if __name__ == "__main__":
    sys.exit(main())
