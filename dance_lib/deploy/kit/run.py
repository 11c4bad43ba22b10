"""Run the networks of this folder on this device: check them, time them, log the power.

    python3 run.py --form dense --form codebook --seconds 30 --repeats 3

Needs NumPy and ONNX Runtime, nothing else. Each form must give the logits in clips.npz first. Then
the device idles, then the forms loop in turns, so that none has the cool device for itself. In
--out: latency.csv, windows.csv (name,start,end of every loop), run.json (versions, and how the
power was logged), and the log of power.
"""

import argparse
import contextlib
import csv
import hashlib
import json
import os
import platform
import select
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime, timezone

import power  # type: ignore[import-not-found]

HERE = os.path.dirname(os.path.abspath(__file__))
CPU = "CPUExecutionProvider"
TOLERANCE = 1e-3  # of a clip's largest logit: float32 on another processor
PRUNED = ("codebook", "dynamic")  # what runs beside dense, the first one that is there
COLUMNS = ["form", "repeat", "window", "clips", "seconds", "mean_ms", "median_ms", "p5_ms",
           "p95_ms", "load_s", "memory_mib", "ideal_mac_ratio"]  # fmt: skip
INSTALL = "python3 -m pip install numpy onnxruntime==1.10.0 (README.md says which for this device)"
YEAR_2020 = 1577836800


class RunError(Exception):
    """It can't go on; says why and what to do, in one line."""


def read_bundle(folder):
    """bundle.json, whose names must all be of files in the folder."""
    path = os.path.join(folder, "bundle.json")
    try:
        with open(path, encoding="utf-8") as file:
            bundle = json.load(file)
        forms, hashes = bundle["forms"], bundle["hashes"]
        names = {name for form in forms.values() for name in form["networks"]} | set(hashes)
        known = bundle["format"] == 1
        if not all(form["networks"] for form in forms.values()) or not "".join(forms).isalnum():
            raise ValueError("a form without a network, or a name that is no word")
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}; run.py must lie in the bundle") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"{path}: is not as it must be ({error!r}); copy the bundle again"
        ) from error
    if not known:
        raise RunError(f"{path}: its format is of another release")
    for name in names:
        parts = name.split("/")
        if "\\" in name or not name.isprintable() or any(p in ("", ".", "..") for p in parts):
            raise RunError(f"{path}: {name!r} is no file of a bundle")
    return bundle


def check_files(folder, bundle, forms):
    """Every file that runs must be the one that was sent."""
    networks = {name for form in bundle["forms"].values() for name in form["networks"]}
    asked = {name for form in forms for name in bundle["forms"][form]["networks"]}
    for name in sorted(asked | {"clips.npz"}):
        if name not in bundle["hashes"]:
            raise RunError(f"bundle.json: no hash of {name}; make the bundle again")
    for name, expected in sorted(bundle["hashes"].items()):
        if name in networks - asked or name == "README.md":
            continue
        digest = hashlib.sha256()
        try:
            with open(os.path.join(folder, name), "rb") as file:
                for block in iter(lambda: file.read(1 << 20), b""):
                    digest.update(block)
        except OSError as error:
            raise RunError(f"{name}: {error.strerror}; copy the bundle again") from error
        if digest.hexdigest() != expected:
            raise RunError(f"{name}: was changed or cut short; copy the bundle again")


def libraries(provider):
    """NumPy and ONNX Runtime, and that it can run on what was asked for."""
    try:
        import numpy
        import onnxruntime
    except ImportError as error:
        python = f"{sys.executable} (Python {platform.python_version()})"
        raise RunError(f"{python} has no working {error.name}: {error}; {INSTALL}") from error
    there = onnxruntime.get_available_providers()
    if provider not in there:
        known = ", ".join(there)
        raise RunError(f"no provider {provider} here; there are: {known}")
    return numpy, onnxruntime


def read_clips(np, folder, bundle, form):
    """The sample clips, and the logits that a form must give for them."""
    try:
        with np.load(os.path.join(folder, "clips.npz"), allow_pickle=False) as file:
            clips, logits = file["clips"], file["logits_" + form]
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"clips.npz: {error}; make the bundle again") from error
    wanted = tuple(bundle.get("clip_shape") or ())
    if not len(clips) or clips.shape[1:] != wanted or clips.dtype != np.float32:
        raise RunError(f"clips.npz: {clips.shape} {clips.dtype}, not float32 of {wanted}")
    if len(logits) != len(clips):
        raise RunError(f"clips.npz: {len(logits)} logits for {len(clips)} clips")
    return clips, logits


def load(ort, folder, networks, asked):
    """One clip (1, C, T, H, W) -> logits (1, classes), by one network or by those of a codebook."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = asked.threads
    providers = [asked.provider] + ([CPU] if asked.provider != CPU else [])
    sessions = []
    for name in networks:
        try:
            session = ort.InferenceSession(os.path.join(folder, name), options, providers=providers)
        except Exception as error:  # its own classes have no common base in 1.10
            said = " ".join(str(error).split())
            raise RunError(f"{name}: ONNX Runtime can't load it: {said}") from error
        if session.get_providers()[0] != asked.provider:
            raise RunError(f"{asked.provider} does not work on this device: ONNX Runtime fell back")
        sessions.append(session)
    if len(sessions) == 1:
        return lambda clip: sessions[0].run(["logits"], {"clip": clip})[0]

    def by_codebook(clip):
        stem, code = sessions[0].run(["stem_output", "code"], {"clip": clip})
        number = int(code.reshape(-1)[0])
        if not 0 <= number < len(sessions) - 1:
            raise RunError(f"code {number} of a codebook of {len(sessions) - 1}")
        return sessions[1 + number].run(["logits"], {"stem_output": stem})[0]

    return by_codebook


def memory_mib():
    """What this process has in memory; None where the kernel does not tell."""
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmRSS"))
    except (OSError, StopIteration):
        return None


def probe(folder, bundle, form, asked):
    """Load a form and check its logits, in a process whose memory is its own."""
    np, ort = libraries(asked.provider)
    clips, logits = read_clips(np, folder, bundle, form)
    before, start = memory_mib(), time.perf_counter()
    classify = load(ort, folder, bundle["forms"][form]["networks"], asked)
    load_s = time.perf_counter() - start
    worst = 0.0
    for number, (clip, wanted) in enumerate(zip(clips, logits)):
        try:
            got = classify(clip[None])[0]
        except Exception as failure:  # its own classes have no common base in 1.10
            said = " ".join(str(failure).split())
            raise RunError(f"{form}: ONNX Runtime can't run it: {said}") from failure
        if got.shape != wanted.shape:
            raise RunError(f"{form}: {got.shape} logits for {wanted.shape} classes")
        scale = float(np.abs(wanted).max()) or 1.0
        error = float(np.abs(got - wanted).max()) / scale
        if not error <= TOLERANCE:  # so that NaN is wrong too
            raise RunError(
                f"{form}: wrong logits of clip {number}, {error:.2g} of the largest one off where "
                f"{TOLERANCE:g} are allowed; another --provider may be right"
            )
        worst = max(worst, error)
    after = memory_mib()
    memory = None if before is None or after is None else after - before
    return {"load_s": load_s, "memory_mib": memory, "largest_error": worst}


def probe_elsewhere(form, asked):
    """`probe` in a process of its own."""
    command = [sys.executable, os.path.abspath(__file__), "--probe", form, "--provider"]
    command += [asked.provider, "--threads", str(asked.threads)]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().split("\n")[-1]
        status = f"{form}: ended with status {done.returncode} while loading {said}"
        raise RunError(said.partition("error: ")[2] or status)
    return json.loads(done.stdout.decode("utf-8"))


class Logger:
    """power.py beside this process; it ends when this one does, whatever happens."""

    def __init__(self, name, out, asked):
        self.name, self.file = name, power.LOGS[name]
        self._errors = os.path.join(out, "logger.txt")
        command = [sys.executable, os.path.join(HERE, "power.py"), "--logger", name]
        command += ["--out", os.path.join(out, self.file), "--sysfs", asked.sysfs]
        command += ["--tegrastats", asked.tegrastats]
        command += ["--interval", str(asked.interval)] if asked.interval else []
        with open(self._errors, "w") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                bufsize=0,
                start_new_session=True,  # Ctrl-C is for run.py, which ends it in order
            )
        assert self._process.stdin
        assert self._process.stdout
        self._input, self._output = self._process.stdin, self._process.stdout
        try:
            self.what = self._wait("ready: ")
        except BaseException:
            self.close()
            raise

    def begin(self, name):
        """A window begins now; a sample is in the log just before it."""
        self._say("sample")
        self._wait("seen")
        self._say(f"begin {name}")

    def end(self, name):
        """A window ends now; wait until a sample after that is in the log."""
        self._say(f"end {name}")
        self._say("sample")
        self._wait("seen")

    def close(self):
        """End it."""
        with contextlib.suppress(OSError):
            self._input.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()
        if os.path.exists(self._errors) and not os.path.getsize(self._errors):
            os.remove(self._errors)

    def _say(self, line):
        with contextlib.suppress(OSError):  # it is gone: the next _wait finds that, and says why
            self._input.write((line + "\n").encode())

    def _wait(self, start, longest=150.0):
        """The rest of the next line, which must begin so; an interval is at most 60 s."""
        line = b""
        until = time.monotonic() + longest
        while not line.endswith(b"\n"):
            ready = select.select([self._output], [], [], max(0, until - time.monotonic()))
            data = os.read(self._output.fileno(), 1) if ready[0] else b""
            if not data:
                raise RunError(f"the logger of power gives no sample; {self._complaint()}")
            line += data
        text = line.decode("utf-8", "replace").strip()
        if not text.startswith(start):
            raise RunError(f"the logger of power said {text!r}, not {start!r}")
        return text[len(start) :]

    def _complaint(self):
        with open(self._errors) as file:
            said = file.read().strip().split("\n")[-1]
        return said.partition("error: ")[2] or said or "its log tells more"


class Silent:
    """No log of power."""

    name, file, what = "none", None, "none"

    def begin(self, name):
        """Nothing to mark."""

    def end(self, name):
        """Nothing to mark."""

    def close(self):
        """Nothing to end."""


def choose_logger(asked):
    """The first meter that there is here."""
    if asked.logger != "auto":
        return asked.logger
    try:
        power.ina_rails(asked.sysfs)
        return "ina"
    except power.MeterError:
        pass
    if shutil.which((shlex.split(asked.tegrastats) or [""])[0]):
        return "tegrastats"
    try:
        power.PowerSupply(asked.sysfs)
        return "power_supply"
    except power.MeterError as error:
        raise RunError(
            f"no meter of power here ({error}); --logger none times without one"
        ) from error


class Results:
    """The files of --out, written anew after every window, so that what was measured stays."""

    def __init__(self, folder, about):
        self.folder, self.about, self.rows, self.windows = folder, about, [], []
        if os.path.exists(os.path.join(folder, "run.json")):
            raise RunError(f"--out {folder}: has the results of a run; choose another folder")
        try:
            os.makedirs(folder, exist_ok=True)
            self._tables()
        except OSError as error:
            raise RunError(
                f"--out {folder}: {error.strerror}; choose a folder you may write to"
            ) from error

    def write(self):
        """All of them."""
        self._tables()
        with self._replacing("run.json") as file:
            json.dump(self.about, file, indent=1, sort_keys=True)

    def window(self, name, start, end):
        """Note what was from when to when, in seconds since 1970."""
        dates = [
            datetime.fromtimestamp(moment, timezone.utc).isoformat() for moment in (start, end)
        ]
        self.windows.append([name] + dates)

    def _tables(self):
        self._table("latency.csv", COLUMNS, [[row[name] for name in COLUMNS] for row in self.rows])
        self._table("windows.csv", ["name", "start", "end"], self.windows)

    def _table(self, name, header, rows):
        with self._replacing(name) as file:
            csv.writer(file, lineterminator="\n").writerows([header] + rows)

    def _replacing(self, name):
        return _Replacing(os.path.join(self.folder, name))


class _Replacing:
    """A file that is there in full or as it was."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        self.file = open(self.path + ".partial", "w", encoding="utf-8")
        return self.file

    def __exit__(self, kind, error, trace):
        self.file.close()
        if kind is None:
            os.replace(self.path + ".partial", self.path)


def loop(np, classify, clips, seconds, clock):
    """All clips again and again for so long; when, and how long each took in ms."""
    times, start = [], clock.now()
    while clock.now() - start < seconds:
        for clip in clips:  # always all of them: clips differ in what they take
            before = time.perf_counter()
            classify(clip[None])
            times.append(1e3 * (time.perf_counter() - before))
    return start, clock.now(), np.array(times)


def measure(np, ort, bundle, asked, logger, results, found):
    """Idle, then loops in turns."""
    clock = power.Clock()
    if asked.idle:
        print(f"idle {asked.idle:g} s: leave the device alone", flush=True)
        logger.begin("idle")
        start = clock.now()
        time.sleep(asked.idle)
        end = clock.now()
        logger.end("idle")
        results.window("idle", start, end)
        results.write()
    clips, _ = read_clips(np, HERE, bundle, asked.form[0])  # the same for all forms
    for repeat in range(asked.repeats):
        # Back and forth, so that a device that grows warm is no form's advantage.
        for form in asked.form[:: -1 if repeat % 2 else 1]:
            name = f"{form}-{repeat}"
            classify = load(ort, HERE, bundle["forms"][form]["networks"], asked)
            for clip in clips:  # warm: every network of a codebook has run once
                classify(clip[None])
            logger.begin(name)
            start, end, times = loop(np, classify, clips, asked.seconds, clock)
            logger.end(name)
            del classify  # one form in memory at a time
            p5, median, p95 = np.percentile(times, [5, 50, 95])
            memory = found[form]["memory_mib"]
            row = {"form": form, "repeat": repeat, "window": name, "clips": len(times)}
            row["ideal_mac_ratio"] = bundle["forms"][form].get("ideal_mac_ratio", "")
            row["memory_mib"] = "" if memory is None else f"{memory:.1f}"
            for key, value in (("seconds", end - start), ("mean_ms", times.mean()), ("p5_ms", p5),
                               ("median_ms", median), ("p95_ms", p95),
                               ("load_s", found[form]["load_s"])):  # fmt: skip
                row[key] = f"{value:.6g}"
            results.rows.append(row)
            results.window(name, start, end)
            results.write()
            told = f"{len(times)} clips in {end - start:.1f} s, {times.mean():.4g} ms each"
            print(f"{form}, {repeat + 1} of {asked.repeats}: {told}", flush=True)


def shown(rows):
    """The table to read."""
    names = ["form", "repeat", "clips", "seconds", "mean_ms", "median_ms", "p5_ms", "p95_ms",
             "load_s", "memory_mib"]  # fmt: skip
    cells = [names] + [[str(row[name]) for name in names] for row in rows]
    widths = [max(len(line[n]) for line in cells) for n in range(len(names))]
    return "\n".join("  ".join(c.rjust(w) for c, w in zip(line, widths)) for line in cells)


def end_with_input():
    """End in order as soon as nobody holds the other end of the standard input any more."""

    def watch():
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=watch, daemon=True).start()


def run(asked):
    """All of it; the exit status."""
    bundle = read_bundle(HERE)
    there = bundle["forms"]
    if not asked.form:
        asked.form = [f for f in ("dense",) if f in there] + [f for f in PRUNED if f in there][:1]
    for form in asked.form:
        if form not in there:
            known = ", ".join(sorted(there))
            raise RunError(f"no form {form!r} in this bundle; there are: {known}")
    asked.form = sorted(set(asked.form), key=asked.form.index)
    np, ort = libraries(asked.provider)
    if asked.probe:
        print(json.dumps(probe(HERE, bundle, asked.probe, asked)))
        return 0
    if time.time() < YEAR_2020:
        raise RunError(f"this device's clock says {time.ctime()}; set it: sudo date -s ...")
    check_files(HERE, bundle, asked.form)
    name = choose_logger(asked)
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    versions.update(onnxruntime=ort.__version__, platform=platform.platform())
    about = {"format": 1, "bundle": bundle.get("name"), "target": bundle.get("target")}
    about.update(forms=asked.form, versions=versions, provider=asked.provider)
    about.update(complete=False, ended=False)
    about.update(threads=asked.threads, seconds=asked.seconds, repeats=asked.repeats)
    about.update(began=datetime.now(timezone.utc).isoformat(), logger="none", log=None)
    results = Results(asked.out, about)
    found = {}
    for form in asked.form:
        found[form] = probe_elsewhere(form, asked)
        error = found[form]["largest_error"]
        print(f"{form}: all logits right, largest error {error:.1e}", flush=True)
    about["found"] = found
    logger = Silent() if name == "none" else Logger(name, asked.out, asked)
    print(f"power: {logger.what}", flush=True)
    about.update(logger=logger.name, log=logger.file, power=logger.what)
    about["log_format"] = power.FORMATS.get(logger.name)
    about["interval"] = asked.interval or power.INTERVALS.get(logger.name)
    try:
        measure(np, ort, bundle, asked, logger, results, found)
        about["complete"] = True
    finally:
        logger.close()
        about["ended"] = True
        results.write()
    print(shown(results.rows))
    print(f"results in {asked.out}", flush=True)
    return 0


def positive(text):
    """A number above zero."""
    value = float(text)
    if not 0 < value < 1e6:
        raise ValueError(text)
    return value


def parse(arguments):
    """The command line."""
    parser = argparse.ArgumentParser(description="Run the networks of this folder on this device.")
    add = parser.add_argument
    add("--form", action="append", default=[], help="of bundle.json; again for more")
    add("--seconds", type=positive, default=30.0, help="of each loop, at least; 30 or more")
    add("--repeats", type=int, default=3, help="loops of each form")
    add("--idle", type=float, default=30.0, help="seconds of rest before")
    add("--out", default="results", help="folder of the results")
    add("--threads", type=int, default=0, help="of ONNX Runtime; 0 lets it choose")
    add("--provider", default=CPU, help="of ONNX Runtime, such as CUDAExecutionProvider")
    add("--logger", default="auto", choices=["auto", "none"] + sorted(power.LOGS))
    add("--interval", type=positive, help="seconds between samples of power")
    add("--sysfs", default="/sys", help="where the kernel shows its devices")
    add("--tegrastats", default="tegrastats", help="how it is called, as 'sudo -n tegrastats'")
    add("--end-with-input", action="store_true", help="end when the standard input does")
    add("--probe", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.repeats < 1 or asked.threads < 0 or not 0 <= asked.idle < 1e6:
        parser.error("--repeats must be 1 or more, --threads and --idle 0 or more")
    if asked.probe:
        asked.form = [asked.probe]
    return asked


def main(arguments=None):
    """The command line; the exit status."""
    asked = parse(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    if asked.end_with_input:
        end_with_input()
    try:
        return run(asked)
    except (RunError, power.MeterError) as error:
        print(f"run.py: error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"run.py: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("run.py: interrupted; the windows that were finished are kept", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
