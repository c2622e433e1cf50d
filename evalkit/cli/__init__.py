"""The command line: `evalkit ...`. Exit codes: 0 done, 1 refused or failed, 2 wrong usage.

Nothing heavy is imported before a command is known, so that `evalkit --help` is immediate.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from evalkit import __version__

NAMES = {"list": "list_studies"}  # commands whose function cannot bear their name
DEBUG = "EVALKIT_DEBUG"
DONE, FAILED, USAGE, STOPPED = 0, 1, 2, 130
STOPPED_BY = 128  # and the number of the signal
MOST_FAULTS = 200  # printed one by one


def parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    top = argparse.ArgumentParser(
        prog="evalkit",
        description="Tell, honestly, whether an NHS improvement collaborative worked.",
        epilog="STUDY is a slug under data/collaboratives, or a path to a protocol (.yml).",
    )
    top.add_argument("--version", action="version", version=f"evalkit {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    commands.add_parser("list", help="the studies found, with title and data status")

    new = commands.add_parser("new", help="write a commented protocol to fill in")
    new.add_argument("slug", metavar="SLUG", help="name of the study; letters, digits, - and _")

    check = commands.add_parser("check", help="validate protocol and data; every fault at once")
    check.add_argument("study", metavar="STUDY")

    _reports(commands)

    estimate = commands.add_parser("estimate", help="one design on one study, to standard output")
    estimate.add_argument("study", metavar="STUDY")
    estimate.add_argument("--design", required=True, metavar="NAME")
    estimate.add_argument("--outcome", metavar="NAME")
    estimate.add_argument("--json", action="store_true", help="full precision, for programs")

    _power(commands)
    _calibrate(commands)
    from evalkit.cli import records

    records.declare(commands)

    simulate = commands.add_parser("simulate", help="rebuild the demonstration data, bit for bit")
    simulate.add_argument("names", metavar="NAME", nargs="*", help="default: every demonstration")
    simulate.add_argument("--out", metavar="DIR", help="folder; default data/demo/")

    schema = commands.add_parser("schema", help="the JSON Schema of a protocol, for editors")
    schema.add_argument("--write", action="store_true", help="write data/collaboratives/protocol.schema.json")
    return top


def _reports(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of `evalkit run` and `evalkit verify`."""
    run = commands.add_parser("run", help="notebooks -> executed notebooks, pages, results, index")
    run.add_argument("studies", metavar="STUDY", nargs="*", help="default: every study found")
    run.add_argument("--jobs", type=_positive, metavar="N", help="notebooks run side by side")
    run.add_argument("--outcome", metavar="NAME", help="outcome to look at; default the primary one")
    run.add_argument("--out", metavar="DIR", help="output folder; default reports/")
    run.add_argument("--timeout", type=_positive, default=600, metavar="S", help="seconds that one cell may take")
    run.add_argument("--no-fork", action="store_true", help="start every kernel anew instead of forking a warm one")
    run.add_argument("--force", action="store_true", help="run everything again, whether or not anything has changed")
    run.add_argument("--by", metavar="NAME", help="who runs it, for the report's page on quality assurance")
    run.add_argument("--why", action="store_true", help="say what would be run and why, and run nothing")
    run.add_argument("--json", action="store_true", help="print what was done as JSON")
    _scheduler(run)

    audit = commands.add_parser(
        "audit", help="whether the pages of a folder are accessible, small, and lead somewhere"
    )
    audit.add_argument("folder", metavar="REPORTS", help="a folder of reports, or of one")
    audit.add_argument("--json", action="store_true", help="print every page as JSON")

    verify = commands.add_parser("verify", help="whether a report is as it was written, and still that of its inputs")
    verify.add_argument("report", metavar="REPORT", help="a report's folder")
    verify.add_argument("--json", action="store_true", help="print what was found as JSON")


def _scheduler(command: argparse.ArgumentParser) -> None:
    said = "do it on a Dask cluster of your own: tcp://HOST:PORT, tls://HOST:PORT, or a scheduler file (.json)"
    command.add_argument("--scheduler", metavar="ADDRESS", help=said)


def _calibrate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of `evalkit calibrate`."""
    made = commands.add_parser("calibrate", help="how often each design finds an effect where there is none")
    made.add_argument("study", metavar="STUDY")
    made.add_argument("--outcome", metavar="NAME", help="default the primary one")
    made.add_argument(
        "--design", nargs="+", action="extend", metavar="NAME", help="default: those that the credibility page shows"
    )
    made.add_argument("--draws", type=_positive, default=1000, metavar="N", help="pseudo-collaboratives")
    made.add_argument("--whole", type=_positive, default=60, metavar="N", help="of them for designs fitted whole")
    made.add_argument("--json", action="store_true", help="full precision, for programs")
    _scheduler(made)


def _power(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of `evalkit power`."""
    power = commands.add_parser("power", help="before it starts: how many units and periods, what could be detected")
    baseline = power.add_mutually_exclusive_group(required=True)
    baseline.add_argument(
        "study", metavar="STUDY", nargs="?", help="its untouched data; the plan follows its rollout"
    )
    stated = (
        "instead of a study: mean=59,between=9,within=4.3,rho=0.6 (standard deviations, autocorrelation); for its, "
        "also shared=1.5,shared_rho=0.6 of what moves all units alike"
    )
    baseline.add_argument("--moments", metavar="LIST", help=stated)
    power.add_argument("--outcome", metavar="NAME", help="of the study; default the primary one")
    power.add_argument("--joined", type=_whole, metavar="N", help="units that join, all waves together")
    power.add_argument("--comparison", type=_whole, metavar="N", help="units that do not")
    power.add_argument("--before", type=_whole, metavar="N", help="periods before the first wave")
    power.add_argument("--after", type=_whole, metavar="N", help="periods after the transition of the last wave")
    power.add_argument("--waves", type=_whole, metavar="N", help="dates at which units join; without a study 1")
    power.add_argument(
        "--spacing", type=_whole, metavar="N", help="periods from wave to wave; without a study 3 months"
    )
    power.add_argument("--transition", type=_whole, metavar="N", help="periods from joining that count as neither")
    power.add_argument("--frequency", choices=("month", "quarter", "year"), help="with --moments; default month")
    power.add_argument(
        "--design",
        nargs="+",
        action="extend",
        metavar="NAME",
        help="default: those that suit the waves; also its, controlled_its, synthetic_did",
    )
    power.add_argument(
        "--draws", type=_positive, default=1000, metavar="N", help="pseudo-collaboratives; default 1000"
    )
    power.add_argument("--plan-only", action="store_true", help="do not vary the plan")
    power.add_argument("--json", action="store_true", help="full precision, for programs")
    _scheduler(power)


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of 0 or more")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of 1 or more")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = parser().parse_args(arguments)
    from evalkit.errors import EvalkitError

    try:
        command = import_module("evalkit.cli.commands")
        code: int = getattr(command, NAMES.get(options.command, options.command))(options)
    except EvalkitError as refusal:
        for fault in refusal.faults[:MOST_FAULTS]:
            print(fault, file=sys.stderr)
        if (more := len(refusal.faults) - MOST_FAULTS) > 0:
            print(f"and {more:,} more faults", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt as stop:
        print("stopped; reports that were already in place are whole", file=sys.stderr)
        return STOPPED_BY + stop.args[0] if stop.args else STOPPED
    except BrokenPipeError:  # the reader of our output went away
        sys.stderr.close()
        return FAILED
    except OSError as error:
        if os.environ.get(DEBUG):
            raise
        print(f"{error.filename or 'a file'}: cannot be read or written ({error.strerror or error})", file=sys.stderr)
        return FAILED
    except Exception as error:  # a defect of ours: one line, and the whole story on request
        if os.environ.get(DEBUG):
            raise
        said = " ".join(f"{type(error).__name__}: {error}".split())
        print(f"evalkit failed unexpectedly ({said}); set {DEBUG}=1 to see where, and report it", file=sys.stderr)
        return FAILED
    return code
