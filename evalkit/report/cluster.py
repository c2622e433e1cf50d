"""Notebooks and parts of computations on a Dask cluster that somebody has started; Dask does the work of a cluster.

A scheduler runs whatever it is sent, and its workers can send anything back: only one's own may be used. Nothing is
told to it but what there is to run. What it needs for TLS is Dask's own configuration, and read by Dask alone.

A worker that is lost gives its work to another (Dask's `allowed-failures` says how often). Only workers with the same
library, environment and files are used; one that differs is refused with what differs.
"""

from __future__ import annotations

import json
import pickle
import re
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from evalkit.errors import EvalkitError, RunError
from evalkit.report import remote
from evalkit.report.remote import FIX, Wanted

if TYPE_CHECKING:
    from distributed import Client, Future

SECONDS = 5  # to reach a scheduler, and for its first worker
ALONE = 60.0  # seconds without any worker after which work is given up
BEAT = 0.5  # seconds between looks at the cluster
LONGEST = 65_536  # bytes of a scheduler file
_ADDRESS = re.compile(r"(tcp|tls)://([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):([0-9]{1,5})")


def address(said: str) -> str:
    """The address of a scheduler, or that in the scheduler file that is named. Raises RunError for anything else."""
    if said.endswith(".json") and "://" not in said:
        said = _in_file(Path(said))
    found = _ADDRESS.fullmatch(said)
    if found is None or not 0 < int(found[3]) < 65536:  # noqa: PLR2004 - ports
        raise RunError(
            f"{said[:80]!r} is no address of a scheduler",
            "--scheduler",
            "give tcp://HOST:PORT, tls://HOST:PORT or the scheduler file (.json) that Dask has written",
        )
    return said


def _in_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            record = json.loads(file.read(LONGEST + 1)[:LONGEST])
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or "not JSON"
        raise RunError(f"cannot be read as a scheduler file ({said})", path.name) from None
    found = record.get("address") if isinstance(record, dict) else None
    if not isinstance(found, str):
        raise RunError("is no scheduler file: it holds no address", path.name)
    return found


@contextmanager
def cluster(said: str, told: Callable[[str], None]) -> Iterator[Cluster]:
    """The cluster of a scheduler, for as long as it is used.

    said  its address, or a scheduler file
    told  is told in a line where work goes

    Raises RunError where Dask is not installed, the scheduler cannot be reached, is of another version or without
    workers, or a worker has another library or environment.
    """
    place = address(said)
    try:
        import distributed  # noqa: F401 - whether it is there
    except ImportError:
        raise RunError("needs Dask, which is not installed", "--scheduler", "install evalkit[cluster]") from None
    with _connected(place) as client:
        made = Cluster(client)
        made.require_fit()
        told(f"cluster: {place}: {made.workers} workers, {made.threads} at a time")
        yield made


@contextmanager
def _connected(place: str) -> Iterator[Client]:
    from distributed import Client
    from distributed.versions import VersionMismatchWarning

    _probe(place)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VersionMismatchWarning)  # ours says more, and is an error
        client = Client(place, timeout=SECONDS, set_as_default=False, name="evalkit")
    try:
        yield client
    finally:
        client.close(timeout=SECONDS)


def _probe(place: str) -> None:
    """Whether a scheduler of our version answers; a client that cannot connect is slow to say so, and loud."""
    import asyncio
    from importlib.metadata import version

    from distributed.core import rpc
    from distributed.security import Security

    async def versions() -> dict[str, Any]:
        arguments = Security().get_connection_args("client")
        async with rpc(place, timeout=SECONDS, connection_args=arguments) as scheduler:
            return await asyncio.wait_for(scheduler.versions(), SECONDS)

    try:
        found = asyncio.run(versions())["packages"]["distributed"]
    except TypeError:  # what Dask says where there is nothing to make a connection of
        raise RunError("TLS is not set up", place, "see distributed.comm.tls in Dask's configuration") from None
    except Exception as error:  # noqa: BLE001 - whatever it is, there is no scheduler to talk to
        said = " ".join(f"{error or type(error).__name__}".split())[:200]
        raise RunError(f"no scheduler can be reached ({said})", place, "start one with: dask scheduler") from None
    if found != version("distributed"):
        what = f"the scheduler is Dask {found}, and this is Dask {version('distributed')}"
        raise RunError(what, place, "start it from the same environment")


class Cluster:
    """A cluster that is connected; safe to use from several threads."""

    def __init__(self, client: Client) -> None:
        self._client = client
        try:
            client.wait_for_workers(1, timeout=SECONDS)
        except TimeoutError:
            raise RunError("the cluster has no workers", fix="start some with: dask worker ADDRESS") from None

    @property
    def _sizes(self) -> dict[str, int]:
        """Threads by worker."""
        found: dict[str, int] = self._client.nthreads()
        return found

    @property
    def workers(self) -> int:
        """How many there are now."""
        return len(self._sizes)

    @property
    def threads(self) -> int:
        """How much they can do at a time."""
        return sum(self._sizes.values())

    def require_fit(self) -> None:
        """Raises RunError where a worker has another library or environment than this process."""
        own = dict(remote.fingerprint())
        self._require(
            self._everywhere(remote.fingerprint), lambda got: [n for n, v in own.items() if dict(got).get(n) != v]
        )

    def require_same(self, wanted: Wanted) -> None:
        """Raises RunError where a worker has other inputs of a study than this machine."""
        self._require(self._everywhere(remote.unlike, wanted), list)

    def _everywhere(self, function: Callable[..., Any], *arguments: object) -> dict[str, Any]:
        found: dict[str, Any] = self._client.run(function, *arguments, on_error="return")
        return found

    @staticmethod
    def _require(found: dict[str, Any], other: Callable[[Any], list[str]]) -> None:
        for place, got in sorted(found.items()):
            if isinstance(got, Exception):
                what = " ".join(f"{type(got).__name__}: {got}".split())[:200]
                raise RunError(f"evalkit cannot be run there ({what})", f"worker {place}", FIX)
            if names := other(got):
                raise RunError(f"it has another {', another '.join(names)}", f"worker {place}", FIX)

    def call(self, function: Callable[..., Any], argument: object, beat: Callable[[], None]) -> Any:  # noqa: ANN401
        """What the function returns on some worker.

        beat  called every now and then; what it raises ends the waiting

        Raises RunError where the work is lost, whatever evalkit refuses there, and RunError for any other failure.
        """
        name = f"{function.__name__}-{uuid.uuid4().hex}"
        future = self._client.submit(function, argument, key=name, pure=False)
        try:
            return self._result(future, beat)
        finally:
            future.cancel()

    def spread(
        self,
        work: Callable[[Any, Any], Any],
        common: object,
        parts: Sequence[Any],
        told: Callable[[Any], None] = lambda _: None,
    ) -> list[Any]:
        """As `evalkit.spread.Spread`: parts go to whoever is free, results come in the order of the parts."""
        client, name = self._client, uuid.uuid4().hex
        # unpickled by a task and not scattered: a task is done again elsewhere when its worker is lost
        shared = client.submit(pickle.loads, pickle.dumps(common, 5), key=f"common-{name}", pure=False)
        expected = remote.fingerprint()
        sent = [
            client.submit(remote.part, expected, work, shared, one, key=f"part-{name}-{k}", pure=False)
            for k, one in enumerate(parts)
        ]
        out = []
        try:
            for one, future in zip(parts, sent, strict=True):
                told(one)
                out.append(self._result(future, lambda: None))
        finally:
            client.cancel([shared, *sent])
        return out

    def _result(self, future: Future[Any], beat: Callable[[], None]) -> Any:  # noqa: ANN401
        """A future's result, once it is there."""
        ended, last = Event(), time.monotonic()
        future.add_done_callback(lambda _: ended.set())
        while not ended.wait(BEAT):
            beat()
            last = time.monotonic() if self._alive() else last
            if time.monotonic() - last > ALONE:
                raise RunError(f"the cluster has had no worker for {ALONE:.0f} seconds")
        try:
            return future.result()
        except Exception as error:  # noqa: BLE001 - whatever went wrong there is a refusal here
            raise _refusal(error) from None

    def _alive(self) -> bool:
        try:
            return self.workers > 0
        except Exception:  # noqa: BLE001 - however the connection is broken, nobody is there
            return False


def _refusal(error: Exception) -> EvalkitError:
    """What went wrong on a cluster, as a refusal."""
    from asyncio import CancelledError

    from distributed import KilledWorker

    if isinstance(error, EvalkitError):
        return error
    if isinstance(error, KilledWorker):
        return RunError("every worker that tried it was lost", fix="look at their logs; they may lack memory")
    if isinstance(error, CancelledError) or type(error).__name__ == "FutureCancelledError":
        return RunError("the cluster has lost it", fix="see whether the scheduler still runs")
    return RunError(" ".join(f"failed on a worker ({type(error).__name__}: {error})".split())[:500])
