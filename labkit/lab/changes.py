"""What can be changed of a running lab: Pods, Services and other objects come and go."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence

from labkit.lab import arguments
from labkit.lab.changed import with_new, without
from labkit.lab.host import Host
from labkit.lab.running import Running
from labkit.lab.source import pod_object, service_object
from labkit.manifest.kinds import Scenario
from labkit.manifest.load import with_objects


class Changes(ABC):
    """Every change is another scenario that the lab becomes; the rules follow."""

    scenario: Scenario
    """What the lab is now."""
    _running: Running | None
    """What it has in the kernel."""

    @abstractmethod
    def become(self, scenario: Scenario) -> None:
        """Make the lab what another scenario says of pods, Services and EndpointSlices."""

    @abstractmethod
    def pod(self, name: str) -> Host:
        """Return a pod of the lab."""

    def add(self, objects: Iterable[Mapping[str, object]]) -> None:
        """Add Kubernetes objects while the lab runs; the rules follow.

        An object that exists already is replaced.

        Raises:
            ManifestError: an object is wrong; nothing was changed.
        """
        self.become(with_objects(self.scenario, arguments.objects(objects)))

    def add_pod(
        self,
        name: str,
        *,
        node: str | None = None,
        labels: Mapping[str, str] | None = None,
        ports: Sequence[int | Mapping[str, object]] = (),
        command: Sequence[str] = (),
    ) -> Host:
        """Add a pod with one container; without ``command`` it runs the responder on ``ports``.

        Raises:
            ManifestError: the pod would be wrong; nothing was changed.
            UsageError: there is such a pod already, or an argument is of no use.
        """
        pod = pod_object(name, node=node, labels=labels or {}, ports=ports, command=command)
        self.become(with_new(self.scenario, pod))
        return self.pod(name.removeprefix("default/"))

    def add_service(
        self,
        name: str,
        *,
        selector: Mapping[str, str],
        ports: Sequence[int | Mapping[str, object]],
        **spec: object,
    ) -> None:
        """Add a Service; ``spec`` is the rest of its spec by the API's names.

        Raises:
            ManifestError: the Service would be wrong; nothing was changed.
            UsageError: there is such a Service already, or an argument is of no use.
        """
        new = service_object(name, selector=selector, ports=ports, spec=spec)
        self.become(with_new(self.scenario, new))

    def remove(self, kind: str, name: str) -> None:
        """Remove a Pod, Service, Deployment, ReplicaSet or EndpointSlice; the rules follow.

        Raises:
            UsageError: there is no such object.
        """
        self.become(without(self.scenario, kind, name))

    def sync(self) -> None:
        """Make every node hold its rules again, whatever somebody has done to them.

        kube-proxy does so now and then. A lab does so when it is asked to; at every change it looks
        whether anybody has added or removed any. Rules that others have added stay where they are,
        but in chains and tables to be mended.
        """
        if self._running is not None:
            self._running.sync()
